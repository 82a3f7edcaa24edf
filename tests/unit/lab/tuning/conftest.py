from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hyperdnn import lab
from hyperdnn.lab.tuning import _tune


class Forbidden(torch.Tensor):
    """Test data: whoever looks at them, even at their shape, fails."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        raise AssertionError("the test part was touched")


@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 0
    beta: float = 0.5
    width: int = 4
    clip: float | None = None
    layers: tuple[int, ...] = (8,)
    activation: str = "relu"
    bias: bool = True
    train: lab.train.Settings = lab.train.Settings(
        iterations=3, batch_size=8, lr=0.05, optimizer="sgd", device="cpu", checkpoint_every=None
    )


def task() -> lab.data.Task:
    inputs = torch.randn(16, 1, 1, 2, generator=torch.Generator().manual_seed(0))
    part = lab.data.Split(stored=inputs, targets=(inputs[:, 0, 0, 0] > 0).long())
    hidden = torch.zeros(4, 1, 1, 2).as_subclass(Forbidden)
    test = lab.data.Split(stored=hidden, targets=part.targets[:4].as_subclass(Forbidden))
    return lab.data.Task(name="signs", train=part, validation=part, test=test, classes=2)


def step(model, batch, state):
    return {"loss": F.cross_entropy(model(batch.inputs), batch.targets)}


def evaluate(model, data):
    batch = data.test[:]
    loss = F.cross_entropy(model(batch.inputs), batch.targets).item()
    return {"loss": loss, "accuracy": (model(batch.inputs).argmax(-1) == batch.targets).float().mean().item()}


RECIPE = lab.Recipe(
    summary="tells signs apart",
    config=Config,
    build=lambda config: nn.Sequential(nn.Flatten(), nn.Linear(2, 2)),
    data=lambda config: task(),
    step=step,
    evaluate=evaluate,
    loop=lab.train.fit,
    reference=lab.Reference(title="Signs", authors="Signer", venue="Journal of Signs", year=1999),
    claims=(
        lab.Claim(text="It is right.", config="default", metric="net/accuracy", at_least=0.5),
        lab.Claim(text="It is sure.", config="default", metric="net/loss", at_most=0.5),
    ),
    variants={"net": lab.Variant(), "slow": lab.Variant(changes={"train.lr": 1e-6})},
    space={"train.lr": "1e-3..1:log"},
)


@pytest.fixture
def toy():
    return SimpleNamespace(recipe=RECIPE, step=step, task=task)


@pytest.fixture
def recipe(monkeypatch):
    """A function that says which recipe is found under every name; a toy at first."""

    def use(recipe):
        monkeypatch.setattr(_tune, "load", lambda name: recipe)
        monkeypatch.setattr(_tune, "find", lambda name: type("File", (), {"name": name}))
        return recipe

    use(RECIPE)
    return use


@pytest.fixture
def config():
    return Config()


@pytest.fixture
def search(recipe, config, tmp_path):
    def search(trials=3, **options):
        return lab.tune("signs", options.pop("config", config), **{"folder": tmp_path, "trials": trials, **options})

    return search


@pytest.fixture(autouse=True)
def _unsynced():
    """No waiting for the disk: these tests do not cut the power."""
    from sqlalchemy import Engine, event

    def connected(connection, record):
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", connected)
    yield
    event.remove(Engine, "connect", connected)
