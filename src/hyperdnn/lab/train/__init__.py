"""Training loops, and what they share.

`fit` trains on one data set, `sequence` on task after task, `joint` on all tasks of a sequence at once. A loop takes
a `State`, which holds everything that changes while it runs and is what a recipe's step may read; `Settings`, which
belong in a configuration; and a `Log`, which keeps the numbers and shows progress. It returns an `Outcome`, or raises
`TrainingError`. With `Checkpoints` in its state, it can be killed and goes on as if it had not been. `launch` starts
the processes that train together. `keep_earlier_tasks` and `change_of_earlier_tasks` let a hypernet not forget in a
`sequence`. `Step`, `Evaluate`, `BeforeTask`, `AfterTask`, `Draw`, `Data` and `Samples` say what a recipe's functions
and its data look like.
"""

from hyperdnn.lab.train._checkpoints import Checkpoints
from hyperdnn.lab.train._engine import TrainingError
from hyperdnn.lab.train._fit import fit
from hyperdnn.lab.train._joint import joint
from hyperdnn.lab.train._keep import change_of_earlier_tasks, keep_earlier_tasks
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import AfterTask, BeforeTask, Data, Draw, Evaluate, Samples, Step
from hyperdnn.lab.train._processes import launch
from hyperdnn.lab.train._sequence import sequence
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

__all__ = [
    "fit",
    "sequence",
    "joint",
    "keep_earlier_tasks",
    "change_of_earlier_tasks",
    "State",
    "Settings",
    "Checkpoints",
    "Log",
    "Outcome",
    "Step",
    "Evaluate",
    "BeforeTask",
    "AfterTask",
    "Draw",
    "Data",
    "Samples",
    "TrainingError",
    "launch",
]
