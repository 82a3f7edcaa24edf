"""A system for `rounds` that draws from every random generator there is, and whose clients keep parts of their own."""

import random
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import lab
from hyperdnn.lab import baselines

CLIENT = lab.train.ClientSettings(per_round=3, steps=2, batch_size=16, lr=0.05, clip_norm=5.0, evaluate_every=7)


@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 0
    clients: int = 10
    personal: bool = True  # each client has a classifier of its own
    client: lab.train.ClientSettings = CLIENT
    train: lab.train.Settings = field(
        default_factory=lambda: lab.train.Settings(
            iterations=60, optimizer="sgd", lr=0.05, momentum=0.9, clip_norm=5.0, log_every=5, checkpoint_every=4
        )
    )


def net() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 12), nn.BatchNorm1d(12), nn.Dropout(0.1), nn.ReLU(), nn.Linear(12, 10)
    )


def build(config: Config) -> hd.HyperDNN:
    select = ("1.*", "2.*") if config.personal else "*"
    return hd.HyperDNN.for_tasks(
        net(), num_tasks=config.clients, select=select, buffers="shared" if config.personal else "batch"
    )


def build_plain(config: Config) -> baselines.Plain:
    return baselines.Plain(net())


def data(config: Config) -> list[lab.data.Task]:
    return lab.data.label_clients(lab.data.load("digits"), clients=config.clients, seed=0)


def step(model: nn.Module, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    noise = torch.from_numpy(np.random.standard_normal(batch.inputs.shape)).float()
    inputs = batch.inputs + (0.1 + 0.1 * random.random()) * noise
    return {"loss": F.cross_entropy(model(inputs, context=batch.context), batch.targets)}


def evaluate(model: nn.Module, task: lab.data.Task) -> dict[str, float]:
    batch = task.test[:]
    right = model(batch.inputs, context=batch.context).argmax(-1) == batch.targets
    return {"accuracy": right.double().mean().item()}


RECIPE = lab.Recipe(
    summary="clients with noise from everywhere",
    config=Config,
    build=build,
    data=data,
    step=step,
    evaluate=evaluate,
    loop=lab.train.rounds,
    reference=lab.Reference(title="Clients", authors="Nobody", venue="Nowhere", year=2000),
)
