"""Hypernets of which the truth is known, and a run that is trained."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn.cli import main
from hyperdnn.layout import ParamLayout
from hyperdnn.typing import Weights


class LinearHypernet(nn.Module):
    """Weights that are a linear function of the context vector: ``start + slope @ context``."""

    def __init__(self, layout: ParamLayout, features: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.layout = layout
        self.start = nn.Parameter(torch.randn(layout.numel).to(dtype))
        self.slope = nn.Parameter(torch.randn(layout.numel, features).to(dtype))

    def forward(self, context: Tensor) -> Weights:
        return self.layout.split(self.start + context @ self.slope.mT)


@pytest.fixture
def linear_model() -> Callable[..., hd.HyperDNN]:
    """Makes a model with layers 0, 2 and 3; `only` one of them may adapt, and `idle` coordinates do nothing."""

    def make(
        features: int = 3, *, only: str | None = None, idle: tuple[int, ...] = (), dtype: torch.dtype = torch.float64
    ) -> hd.HyperDNN:
        torch.manual_seed(0)
        layers = (nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.Linear(4, 2))
        target = hd.Target(nn.Sequential(*layers).to(dtype))
        hypernet = LinearHypernet(target.layout, features, dtype)
        with torch.no_grad():
            hypernet.slope[:, list(idle)] = 0
            for spec, start in zip(target.layout, target.layout.offsets, strict=True):
                if only is not None and not spec.name.startswith(only):
                    hypernet.slope[start : start + spec.numel] = 0
        return hd.HyperDNN(target, hypernet)

    return make


@pytest.fixture(scope="module")
def task_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of `continual/task_conditioned`, of a hypernet and of a baseline."""
    name, out = "continual/task_conditioned", tmp_path_factory.mktemp("runs")
    words = ["run", name, "--setting", "tiny", "--variants", "hypernet,fine-tuning", "--quiet", "--out", str(out)]
    assert main(words) == 0
    return next((out / name).iterdir())
