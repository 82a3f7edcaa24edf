"""Training loops, and what they share.

`fit` trains on one data set, `sequence` on task after task, `joint` on all tasks of a sequence at once, `episodes` on
few-shot problems. A loop takes a `State`, which holds everything that changes while it runs and is what a recipe's step
may read; `Settings`, which belong in a configuration; and a `Log`, which keeps the numbers and shows progress. It
returns an `Outcome`, or raises `TrainingError`. With `Checkpoints` in its state, it can be killed and goes on as if it
had not been. `launch` starts the processes that train together. `adapt` is no loop of training but a few gradient steps
inside a model, which can be differentiated. `Step`, `Evaluate`, `BeforeTask`, `Draw`, `Data`, `Samples` and `TaskLoss`
say what a recipe's functions and its data look like.
"""

from hyperdnn.lab.train._adapt import TaskLoss, adapt
from hyperdnn.lab.train._checkpoints import Checkpoints
from hyperdnn.lab.train._engine import TrainingError
from hyperdnn.lab.train._episodes import episodes
from hyperdnn.lab.train._fit import fit
from hyperdnn.lab.train._joint import joint
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import BeforeTask, Data, Draw, Evaluate, Samples, Step
from hyperdnn.lab.train._processes import launch
from hyperdnn.lab.train._sequence import sequence
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

__all__ = [
    "fit",
    "sequence",
    "joint",
    "episodes",
    "adapt",
    "TaskLoss",
    "State",
    "Settings",
    "Checkpoints",
    "Log",
    "Outcome",
    "Step",
    "Evaluate",
    "BeforeTask",
    "Draw",
    "Data",
    "Samples",
    "TrainingError",
    "launch",
]
