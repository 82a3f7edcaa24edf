"""Searching settings of a recipe, on validation data alone.

`tune` proposes trials by Optuna, trains them and keeps what came of them in a file, from which the same search goes on;
it returns a `Tuning` of `Trial`s. What is searched is text, as it is typed: a range or some choices for each setting,
which `read_space` takes for a `Space`. `table` shows the best trials, `figures` draws the search, and `write_tuning`
leaves the best configuration and a page.

Inside of a recipe, `evolve` searches vectors of choices under a constraint, such as the widths of a `WidthSpace`.
"""

from hyperdnn.lab.tuning._evolve import evolve
from hyperdnn.lab.tuning._figures import figures
from hyperdnn.lab.tuning._report import table, write_tuning
from hyperdnn.lab.tuning._result import Tuning
from hyperdnn.lab.tuning._space import Choice, Range, Space, read_space
from hyperdnn.lab.tuning._study import Direction, Trial
from hyperdnn.lab.tuning._tune import tune
from hyperdnn.lab.tuning._width_space import WidthSpace

__all__ = [
    "tune",
    "evolve",
    "WidthSpace",
    "Tuning",
    "Trial",
    "Direction",
    "Space",
    "Range",
    "Choice",
    "read_space",
    "table",
    "figures",
    "write_tuning",
]
