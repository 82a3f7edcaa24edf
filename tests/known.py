"""Models of which everything is known: weights are a plane over contexts of two numbers."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import inspect, lab

CLASSES = 3


class Plane(nn.Module):
    """``start + context @ slope``, a hypernet in one piece."""

    def __init__(self, layout: hd.ParamLayout, *, idle: tuple[int, ...] = (), adapts: str = "*") -> None:
        super().__init__()
        self.layout = layout
        generator = torch.Generator().manual_seed(0)
        self.start = nn.Parameter(0.5 * torch.randn(layout.numel, generator=generator))
        slope = torch.randn(2, layout.numel, generator=generator)
        slope[list(idle)] = 0.0
        moved = set(layout.select(adapts).names) if adapts else set()
        for name, part in layout.split(slope).items():
            if name not in moved:
                part.zero_()
        self.slope = nn.Parameter(slope)

    def forward(self, context: Tensor) -> dict[str, Tensor]:
        return self.layout.split(self.start + context @ self.slope)


def model(*, idle: tuple[int, ...] = (), adapts: str = "*") -> hd.HyperDNN:
    """A classifier of four numbers by two layers, ``0`` and ``2``.

    Args:
        idle: coordinates of the context that do nothing.
        adapts: parameters that the context moves; empty for none.
    """
    target = hd.Target(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, CLASSES)))
    return hd.HyperDNN(target, Plane(target.layout, idle=idle, adapts=adapts))


def contexts(number: int = 6) -> Tensor:
    """Different ones, on no line."""
    return torch.randn(number, 2, generator=torch.Generator().manual_seed(1))


def probes(number: int = 2) -> list[inspect.Probe]:
    """Some data of no context in particular."""
    generator = torch.Generator().manual_seed(2)
    return [
        inspect.Probe(
            name=f"batch {k}",
            inputs=torch.randn(10, 4, generator=generator),
            targets=torch.randint(CLASSES, (10,), generator=generator),
            loss=F.cross_entropy,
            measure="cross-entropy (nats)",
        )
        for k in range(number)
    ]


def view(made: hd.HyperDNN, number: int = 6, *, data: bool = True) -> lab.View:
    """The model with its contexts and, if wanted, data."""
    return lab.View(
        model=made,
        contexts=contexts(number),
        names=[f"task {k + 1}" for k in range(number)],
        context="task",
        coordinates=["left", "right"],
        probes=probes() if data else [],
        shows="classes",
    )
