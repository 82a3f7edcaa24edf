"""Small views of each kind of context."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, inspect, lab


def _model(net: nn.Module, encoder: nn.Module, width: int) -> hd.HyperDNN:
    target = hd.Target(net)
    body = bodies.MLP(width, 8)
    return hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=body, head=heads.FullHead(8, target.layout)))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def tasks() -> lab.View:
    """Three tasks with data of their own, images of 4 x 4 pixels in five classes."""
    model = _model(nn.Sequential(nn.Flatten(), nn.Linear(16, 5)), encoders.Table(3, 4), 4)
    probes = [
        inspect.Probe(
            name=f"task {k}",
            inputs=torch.rand(6, 1, 4, 4),
            targets=torch.randint(5, (6,)),
            loss=F.cross_entropy,
            measure="cross-entropy (nats)",
            context=k,
        )
        for k in range(3)
    ]
    names = ["task 0", "task 1", "task <2>"]
    return lab.View(model=model, contexts=torch.arange(3), names=names, context="task", probes=probes, shows="classes")


@pytest.fixture
def preferences() -> lab.View:
    """Five preferences between two losses on the same data."""
    model = _model(nn.Linear(3, 2), encoders.Simplex(2), 2)
    inputs, targets = torch.randn(6, 3), torch.randn(6, 2)

    def loss(k: int, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.mse_loss(outputs[..., k], targets[..., k])

    probes = [
        inspect.Probe(name=f"objective {k}", inputs=inputs.clone(), targets=targets, loss=partial(loss, k))
        for k in range(2)
    ]
    first = torch.linspace(0, 1, 5)
    return lab.View(
        model=model,
        contexts=torch.stack([first, 1 - first], 1),
        names=[f"{share:.0%}" for share in first],
        context="preference",
        coordinates=["share of the first"],
        probes=probes,
    )


@pytest.fixture
def pictures() -> lab.View:
    """Three images, and the functions of a point that they become."""
    encoder = encoders.FromModule(nn.Flatten(), 16, context_dims=3)
    model = _model(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid()), encoder, 16)
    images = torch.rand(3, 1, 4, 4)
    line = (2 * torch.arange(4) + 1) / 4 - 1
    points = torch.cartesian_prod(line, line).flip(-1)
    probes = [
        inspect.Probe(
            name=f"image {k}", inputs=points, targets=image.reshape(16, 1), loss=F.mse_loss, context=k, side=(4, 4)
        )
        for k, image in enumerate(images)
    ]
    probes.append(inspect.Probe(name="2 x 2 pixels", inputs=points[:4], side=(2, 2)))
    return lab.View(
        model=model,
        contexts=images,
        names=[f"image {k}" for k in range(3)],
        context="image",
        probes=probes,
        shows="picture",
    )


@pytest.fixture
def noise() -> lab.View:
    """Noise of ten numbers, and no data."""
    return lab.View.of(_model(nn.Linear(2, 1), encoders.Noise(10), 10))


@pytest.fixture
def curves() -> lab.View:
    """A vector of two numbers, and functions of one number."""
    model = _model(nn.Linear(1, 1), encoders.Vector(2), 2)
    x = torch.linspace(-1, 1, 5).unsqueeze(1)
    probes = [inspect.Probe(name="a line", inputs=x, targets=2 * x, loss=F.mse_loss)]
    contexts = torch.tensor([[0.0, 5.0], [1.0, 5.0], [0.5, 5.0]])
    return lab.View(model=model, contexts=contexts, names=["a", "b", "c"], probes=probes, coordinates=["slope"])
