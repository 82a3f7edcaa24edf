"""A system for `fit` that draws from every random generator there is, and has buffers, momentum and frozen parts."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn import lab


@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 0
    width: int = 24
    train: lab.train.Settings = lab.train.Settings(
        iterations=150, batch_size=32, optimizer="sgd", lr=0.05, momentum=0.9, log_every=5, checkpoint_every=10
    )


def build(config: Config) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, config.width), nn.BatchNorm1d(config.width), nn.Dropout(0.2),
        nn.ReLU(), nn.Linear(config.width, 10),
    )  # fmt: skip


def data(config: Config) -> lab.data.Task:
    return lab.data.load("digits")


def step(model: nn.Module, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    if state.step == 60:
        model[1].bias.requires_grad_(False)  # in the middle: its momentum is still in the optimiser
    state.memory = {"scale": 0.9, "mean": torch.zeros(64)} if state.memory is None else state.memory
    inputs = batch.inputs.flatten(1)
    state.memory["mean"].lerp_(inputs.mean(0), 0.1)
    state.memory["scale"] += 0.01 * random.random()
    noise = torch.from_numpy(np.random.standard_normal(inputs.shape)).float()
    inputs = state.memory["scale"] * (inputs - state.memory["mean"]) + 0.1 * noise
    return {"loss": F.cross_entropy(model(inputs), batch.targets)}


def evaluate(model: nn.Module, task: lab.data.Task) -> dict[str, float]:
    batch = task.test[:]
    return {"accuracy": (model(batch.inputs).argmax(-1) == batch.targets).double().mean().item()}


RECIPE = lab.Recipe(
    summary="a classifier with noise from everywhere",
    config=Config,
    build=build,
    data=data,
    step=step,
    evaluate=evaluate,
    loop=lab.train.fit,
    reference=lab.Reference(title="Noise", authors="Nobody", venue="Nowhere", year=2000),
)
