"""Trainings that are killed and gone on with, in one process or in two."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.lab import losses
from hyperdnn.lab.data import Split, Task
from hyperdnn.lab.train import Checkpoints, Log, Settings, State, sequence

SETTINGS = {"iterations": 6, "batch_size": 16, "lr": 0.05, "device": "cpu", "log_every": 2, "checkpoint_every": 2}


class KilledError(Exception):
    """Stands for the end of the process."""


def _task(index):
    generator = torch.Generator().manual_seed(index)
    inputs = torch.randn(64, 1, 1, 4, generator=generator)
    part = Split(stored=inputs, targets=(inputs[:, 0, 0, index] > 0).long(), context=index)
    return Task(name=str(index), train=part, validation=part, test=part, classes=2)


def make_model(dropout=0.0):
    torch.set_default_dtype(torch.float32)  # also in pairs, which have another: what is drawn depends on it
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    target = hd.Target(net, select=("1.*", "3.*"))
    hypernet = hd.Hypernet(
        encoder=encoders.Table(3, 4), body=bodies.MLP(4, 16, dropout=dropout), head=heads.FullHead(16, target.layout)
    )
    return hd.HyperDNN(target, hypernet)


def _step(model, batch, state, *, until):
    if state.step == until:
        raise KilledError
    loss = F.cross_entropy(model(batch.inputs, context=batch.context), batch.targets)
    keep = losses.output_change(model.hypernet, state.memory) if state.memory else 0.0
    return {"loss": loss + keep}


def _before_task(model, state, *, grow):
    if grow and state.task:
        model.hypernet.encoder.grow()
        model.resize("3", 2 + state.task)
    # The penalty of a row begins at zero: of what rounding leaves there, Adam makes whole steps.
    model.hypernet.encoder.freeze(range(state.task))
    state.memory = losses.remember(model.hypernet, torch.arange(state.task))


def _evaluate(model, task):
    batch = task.test[:]
    return {"accuracy": (model(batch.inputs, context=batch.context).argmax(-1) == batch.targets).float().mean().item()}


def train(folder, *, until=None, dropout=0.0, grow=False, **options):
    """A sequence of two tasks, between which the model may grow, gone on with if it was killed; None if it is."""
    kept = Checkpoints(folder / "kept")
    model = make_model(dropout)
    generator = torch.Generator().manual_seed(0)
    state = State(model=model, config=None, generator=generator, checkpoints=kept, resumed=kept.latest())
    settings = Settings(**{**SETTINGS, **options})
    parts = {
        "step": partial(_step, until=until),
        "evaluate": _evaluate,
        "before_task": partial(_before_task, grow=grow),
    }
    try:
        sequence(state, [_task(0), _task(1)], settings, log=Log(), **parts)
    except KilledError:
        return None
    return state
