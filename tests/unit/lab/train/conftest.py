from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hyperdnn.lab.data import Split, Task
from hyperdnn.lab.train import Settings, State

FEATURES = 4


def _task(index: int) -> Task:
    """Two classes, told apart by the sign of one feature: another one in each task."""
    generator = torch.Generator().manual_seed(index)
    inputs = torch.randn(64, 1, 1, FEATURES, generator=generator)
    targets = (inputs[:, 0, 0, index % FEATURES] > 0).long()
    part = Split(stored=inputs, targets=targets, context=index)
    return Task(name=f"sign of {index}", train=part, validation=part, test=part, classes=2)


@pytest.fixture
def tasks() -> list[Task]:
    return [_task(index) for index in range(3)]


@pytest.fixture
def state() -> State:
    model = nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, 2))
    return State(model=model, config=SimpleNamespace(), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def settings() -> Settings:
    return Settings(iterations=40, batch_size=16, lr=0.05, log_every=10, device="cpu")


@pytest.fixture
def step():
    def step(model, batch, state):
        loss = F.cross_entropy(model(batch.inputs), batch.targets)
        return {"loss": loss, "task": loss.detach()}

    return step


@pytest.fixture
def evaluate():
    def evaluate(model, task):
        batch = task.test[:]
        return {"accuracy": (model(batch.inputs).argmax(-1) == batch.targets).float().mean().item()}

    return evaluate
