"""What a run leaves behind for a reader.

`summarise`, `judge` and `environment` make the parts of results.json, `write_json` and `read_json` keep it.
From it come `table` (the terminal), `markdown` and `refresh_readme` (the README) and `write_page` (one self-contained
HTML page). A recipe draws the page's figures with `heatmap`, `bars_by_task`, `bars_with_intervals`, `scatter2d` and
`curves`, or takes `continual_figures`, which every sequence of tasks can use, or `fewshot_figures`.
"""

from hyperdnn.lab.report._continual import continual_figures
from hyperdnn.lab.report._environment import environment
from hyperdnn.lab.report._fewshot import fewshot_figures
from hyperdnn.lab.report._figures import bars_by_task, bars_with_intervals, curves, heatmap, scatter2d
from hyperdnn.lab.report._html import write_page
from hyperdnn.lab.report._json import read_json, write_json
from hyperdnn.lab.report._readme import refresh_readme
from hyperdnn.lab.report._results import Environment, Record, Results, Summary, Verdict, judge, summarise
from hyperdnn.lab.report._svg import Figure, svg
from hyperdnn.lab.report._table import markdown, table

__all__ = [
    "Results",
    "Record",
    "Summary",
    "Verdict",
    "Environment",
    "summarise",
    "judge",
    "environment",
    "write_json",
    "read_json",
    "table",
    "markdown",
    "refresh_readme",
    "Figure",
    "heatmap",
    "bars_by_task",
    "bars_with_intervals",
    "scatter2d",
    "curves",
    "svg",
    "continual_figures",
    "fewshot_figures",
    "write_page",
]
