"""What a run leaves behind for a reader.

`summarise`, `judge` and `environment` make the parts of results.json, `write_json` and `read_json` keep it, `measured`
reads the numbers of all its variants, `all_hold` the outcome, and `claim_row` puts a claim into words.
From it come `table` (the terminal), `markdown` and `refresh_readme` (the README) and `write_page` (one self-contained
HTML page). A recipe draws the page's figures with `heatmap`, `bars_by_task`, `bars_with_intervals`, `scatter2d`,
`curves`, `lines`, `field`, `agreement`, `against`, `bands` and `gallery`, or takes `continual_figures`, which every
sequence of tasks can use, `uncertainty_figures`, which every distribution over networks can, `effect_figures`,
`fewshot_figures`, `federated_figures`, `multitask_figures`, `ranking_figures`, `rank_figures`, `response_figures`,
`resolution_figures`, `kernel_figures`, `rollout_figures`, `text_figures` with `over_text`, `voice_figures`, or
`pareto_figures`, with `fronts` for models between losses; `cost_figures` show accuracy by cost. What `inspect` measures
is drawn by `size_figure`, `distance_figure`, `map_figure`, `agreement_figure`, `path_figures`, `sensitivity_figure` and
`swap_figure`; `write_inside` makes one page of them.
"""

from hyperdnn.lab.report._agreement import agreement
from hyperdnn.lab.report._claims import claim_row
from hyperdnn.lab.report._continual import continual_figures
from hyperdnn.lab.report._costs import cost_figures
from hyperdnn.lab.report._effects import effect_figures
from hyperdnn.lab.report._environment import environment
from hyperdnn.lab.report._federated import federated_figures
from hyperdnn.lab.report._fewshot import fewshot_figures
from hyperdnn.lab.report._figures import (
    against,
    bands,
    bars_by_task,
    bars_with_intervals,
    curves,
    heatmap,
    scatter2d,
)
from hyperdnn.lab.report._html import write_page
from hyperdnn.lab.report._inside_page import InsidePage, Section, write_inside
from hyperdnn.lab.report._inside_path import path_figures
from hyperdnn.lab.report._inside_sensitivity import sensitivity_figure
from hyperdnn.lab.report._inside_swap import swap_figure
from hyperdnn.lab.report._inside_weights import agreement_figure, distance_figure, map_figure, size_figure
from hyperdnn.lab.report._json import read_json, write_json
from hyperdnn.lab.report._multitask import multitask_figures
from hyperdnn.lab.report._pareto import fronts, pareto_figures
from hyperdnn.lab.report._pictures import gallery, kernel_figures, resolution_figures
from hyperdnn.lab.report._plane import field, lines
from hyperdnn.lab.report._rank_agreement import rank_figures
from hyperdnn.lab.report._ranking import ranking_figures
from hyperdnn.lab.report._readme import refresh_readme
from hyperdnn.lab.report._response import response_figures
from hyperdnn.lab.report._results import (
    Environment,
    Record,
    Results,
    Summary,
    Verdict,
    all_hold,
    judge,
    measured,
    summarise,
)
from hyperdnn.lab.report._rollouts import rollout_figures
from hyperdnn.lab.report._svg import Figure, svg
from hyperdnn.lab.report._table import markdown, table
from hyperdnn.lab.report._text import over_text, text_figures
from hyperdnn.lab.report._uncertainty import uncertainty_figures
from hyperdnn.lab.report._voices import voice_figures

__all__ = [
    "Results",
    "Record",
    "Summary",
    "Verdict",
    "Environment",
    "summarise",
    "all_hold",
    "judge",
    "measured",
    "environment",
    "write_json",
    "read_json",
    "claim_row",
    "table",
    "markdown",
    "refresh_readme",
    "Figure",
    "heatmap",
    "bars_by_task",
    "bars_with_intervals",
    "scatter2d",
    "curves",
    "agreement",
    "lines",
    "field",
    "against",
    "bands",
    "gallery",
    "svg",
    "continual_figures",
    "cost_figures",
    "uncertainty_figures",
    "effect_figures",
    "fronts",
    "pareto_figures",
    "fewshot_figures",
    "federated_figures",
    "response_figures",
    "resolution_figures",
    "kernel_figures",
    "text_figures",
    "over_text",
    "voice_figures",
    "multitask_figures",
    "ranking_figures",
    "rank_figures",
    "rollout_figures",
    "agreement_figure",
    "distance_figure",
    "map_figure",
    "size_figure",
    "path_figures",
    "sensitivity_figure",
    "swap_figure",
    "InsidePage",
    "Section",
    "write_inside",
    "write_page",
]
