"""Training loops, and what they share.

`fit` trains on one data set, `stages` one part of a model after the other, each a `Stage`, `sequence` on task after
task, `joint` on all tasks of a sequence at once, `episodes` on few-shot problems, `rounds` the weights that a `Server`
(`Generating`, `Averaging`, `Returning`) sends to `Clients`, each with data of its own, and `rollouts` an agent on what
it did in an environment.

A loop takes a `State`, which holds everything that changes while it runs and is what a recipe's step may read;
`Settings` (and `ClientSettings`, `RolloutSettings`), which belong in a configuration; and a `Log`, which keeps the
numbers, shows progress and may pass numbers on to a `Tracker`, such as `TensorBoard`. It returns an `Outcome`, or
raises `TrainingError`. With `Checkpoints` in its state, it can be killed and goes on as if it had not been;
`gather_weights` makes one file of the weights in one. `launch` starts the processes that train together.
`keep_earlier_tasks` and `change_of_earlier_tasks` let a hypernet not forget in a `sequence`; `adapt` is a few gradient
steps inside a model, which can be differentiated. `in_turns` makes one step of several, of players that each train
their own part of a model in their `Turn`; `set_rate` and `warm_up` are for learning rates with a schedule of their own.
`pretrained` is a module that is trained once and kept for all later runs.
`Step`, `Evaluate`, `Validate`, `Act`, `BeforeTask`, `AfterTask`, `Finish`, `Draw`, `Data`, `Samples` and `TaskLoss` say
what a recipe's functions and its data look like.
"""

from hyperdnn.lab.train._adapt import TaskLoss, adapt
from hyperdnn.lab.train._checkpoints import Checkpoints
from hyperdnn.lab.train._client import Client, ClientModel
from hyperdnn.lab.train._client_settings import ClientSettings
from hyperdnn.lab.train._clients import Clients, Reply, Sent
from hyperdnn.lab.train._engine import TrainingError
from hyperdnn.lab.train._episodes import episodes
from hyperdnn.lab.train._experience import Act
from hyperdnn.lab.train._fit import fit
from hyperdnn.lab.train._gather import gather_weights
from hyperdnn.lab.train._joint import joint
from hyperdnn.lab.train._keep import change_of_earlier_tasks, keep_earlier_tasks
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import AfterTask, BeforeTask, Data, Draw, Evaluate, Finish, Samples, Step, Validate
from hyperdnn.lab.train._pretrained import pretrained
from hyperdnn.lab.train._processes import launch
from hyperdnn.lab.train._rate import set_rate, warm_up
from hyperdnn.lab.train._rollout_settings import RolloutSettings
from hyperdnn.lab.train._rollouts import rollouts
from hyperdnn.lab.train._rounds import rounds
from hyperdnn.lab.train._sequence import sequence
from hyperdnn.lab.train._server import Averaging, Generating, Returning, Server
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._stages import Stage, stages
from hyperdnn.lab.train._state import State
from hyperdnn.lab.train._track import TensorBoard, Tracker
from hyperdnn.lab.train._turns import Turn, in_turns

__all__ = [
    "fit",
    "stages",
    "Stage",
    "sequence",
    "joint",
    "rounds",
    "rollouts",
    "keep_earlier_tasks",
    "change_of_earlier_tasks",
    "episodes",
    "Turn",
    "in_turns",
    "adapt",
    "TaskLoss",
    "set_rate",
    "warm_up",
    "pretrained",
    "State",
    "Settings",
    "ClientSettings",
    "RolloutSettings",
    "Checkpoints",
    "Log",
    "Tracker",
    "TensorBoard",
    "Outcome",
    "Step",
    "Evaluate",
    "Validate",
    "Act",
    "BeforeTask",
    "AfterTask",
    "Finish",
    "Draw",
    "Data",
    "Samples",
    "Server",
    "Generating",
    "Averaging",
    "Returning",
    "Clients",
    "Client",
    "ClientModel",
    "Sent",
    "Reply",
    "TrainingError",
    "launch",
    "gather_weights",
]
