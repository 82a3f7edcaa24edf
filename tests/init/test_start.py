"""Every head starts its target where a plain network starts: layer by layer, within a factor of three."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TypeAlias

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, init

CONTEXTS, SEEDS, REFERENCES, HIDDEN = 64, 5, 16, 64
FACTOR = 3.0


class DeepMLP(nn.Module):
    """Ten ReLU layers of width 64. Returns all pre-activations."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(10))

    def forward(self, x: Tensor) -> list[Tensor]:
        seen: list[Tensor] = []
        for layer in self.layers:
            seen.append(layer(seen[-1].relu() if seen else x))
        return seen


class Block(nn.Module):
    """Two convolutions and a shortcut without parameters (He et al., CVPR 2016, option A)."""

    def __init__(self, inputs: int, outputs: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.stride, self.grown = outputs // inputs, outputs - inputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=self.stride, padding=1, bias=False)
        self.norm1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = norm(outputs)

    def forward(self, x: Tensor, seen: list[Tensor]) -> Tensor:
        first = self.conv1(x)
        second = self.conv2(self.norm1(first).relu())
        seen += [first, second]
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.grown))
        return (self.norm2(second) + shortcut).relu()


class ResNet20(nn.Module):
    """The CIFAR network. Returns what each convolution and the classifier put out, before any normalisation."""

    def __init__(self, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = norm(16)
        widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
        self.blocks = nn.ModuleList(Block(a, b, norm) for a, b in pairwise(widths))
        self.classifier = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> list[Tensor]:
        seen = [self.conv(x)]
        x = self.norm(seen[0]).relu()
        for block in self.blocks:
            x = block(x, seen)
        return [*seen, self.classifier(x.mean((-2, -1)))]


def kaiming(net: nn.Module) -> nn.Module:
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net


@dataclass(frozen=True)
class Case:
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    buffers: str | None = None


TARGETS = {
    "mlp": Case(DeepMLP, (16, 64)),
    "mlp_kaiming": Case(lambda: kaiming(DeepMLP()), (16, 64)),
    "resnet": Case(lambda: ResNet20(lambda _: nn.Identity()), (4, 3, 8, 8)),
    "resnet_batch_norm": Case(lambda: ResNet20(nn.BatchNorm2d), (4, 3, 8, 8), "batch"),
}
MakeHead: TypeAlias = Callable[[hd.ParamLayout, init.Init], nn.Module]

HEADS: dict[str, MakeHead] = {
    "full": lambda layout, rule: heads.FullHead(HIDDEN, layout, init=rule),
    "multi": lambda layout, rule: heads.MultiHead(HIDDEN, layout, init=rule),
    "chunked_small": lambda layout, rule: heads.ChunkedHead(HIDDEN, layout, 64, init=rule),
    "chunked_large": lambda layout, rule: heads.ChunkedHead(HIDDEN, layout, 8192, init=rule),
    "layers": lambda layout, rule: heads.ComponentHead(HIDDEN, layout, component="layer", init=rule),
    "rows": lambda layout, rule: heads.ComponentHead(HIDDEN, layout, component="row", init=rule),
    "tiled": lambda layout, rule: heads.TiledHead(HIDDEN, layout, init=rule),
    "node": lambda layout, rule: heads.NodeHead(HIDDEN, layout, init=rule),
    "factored": lambda layout, rule: heads.FactoredHead(HIDDEN, layout, smallest_side(layout), init=rule),
}


def smallest_side(layout: hd.ParamLayout) -> int:
    """The highest rank that every matrix of a layout has room for."""
    return min(min(spec.shape[0], spec.numel // spec.shape[0]) for spec in layout if len(spec.shape) > 1)


def build(case: Case, make: MakeHead, rule: init.Init) -> hd.HyperDNN:
    target = hd.Target(case.make(), buffers=case.buffers)
    head = make(target.layout, rule)
    slots = encoders.Slots(head.slots, features=16) if head.slots else None
    body = bodies.MLP(32 + (16 if slots else 0), HIDDEN, HIDDEN)
    hypernet = hd.Hypernet(encoder=encoders.Table(CONTEXTS, 32), slots=slots, body=body, head=head)
    return hd.HyperDNN(target, hypernet)


def log_moments(outputs: list[Tensor]) -> Tensor:
    """Logarithm of each layer's second moment: ``(layers, networks)``."""
    return torch.stack([out.square().flatten(1).mean(1).log() for out in outputs])


def data(case: Case) -> Tensor:
    return torch.randn(*case.shape, generator=torch.Generator().manual_seed(100))


@cache
def plain(target: str) -> Tensor:
    """Mean logarithm over freshly initialised networks: ``(layers,)``."""
    case = TARGETS[target]
    torch.manual_seed(200)
    with torch.no_grad():
        each = [log_moments([out[None] for out in case.make()(data(case))]) for _ in range(REFERENCES)]
    return torch.cat(each, dim=1).mean(1)


@torch.no_grad()
def start(target: str, make: MakeHead, rule: init.Init = init.matched, seeds: int = SEEDS) -> Tensor:
    """Logarithm of each layer's second moment for every context and seed: ``(layers, seeds * contexts)``."""
    case, each = TARGETS[target], []
    for seed in range(seeds):
        torch.manual_seed(seed)
        outputs = build(case, make, rule)(data(case), context=torch.arange(CONTEXTS), data_dims=None)
        each.append(log_moments(outputs))
    return torch.cat(each, dim=1)


def report(ratio: Tensor, spread: Tensor) -> str:
    """What the criterion looks at, layer by layer, and how far single contexts stray from it."""
    rows = [f"{i:>5}  {r:>9.3g}  {s:>6.2f}" for i, (r, s) in enumerate(zip(ratio, spread, strict=True))]
    return "\n".join(["layer      ratio  spread (standard deviation of the logarithm)", *rows])


def far_off(target: str, logs: Tensor) -> tuple[float, str]:
    """The largest factor between a layer's geometric mean and the plain networks', either way, and the report."""
    ratio = (logs.mean(1) - plain(target)).exp()
    worst = float(torch.maximum(ratio, 1 / ratio).nan_to_num(math.inf).max())
    return worst, report(ratio, logs.std(1))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("target", TARGETS)
def test_a_head_starts_its_target_as_a_plain_network_starts(target: str, head: str) -> None:
    worst, found = far_off(target, start(target, HEADS[head]))
    assert worst <= FACTOR, found


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("target", TARGETS)
def test_a_naive_start_fails_the_same_criterion(target: str, head: str) -> None:
    worst, found = far_off(target, start(target, HEADS[head], init.naive, seeds=1))
    assert worst > 10 * FACTOR, found


WITHOUT_SIGNS: dict[str, MakeHead] = {
    "chunked_small": lambda layout, rule: heads.ChunkedHead(HIDDEN, layout, 64, init=rule, signs=False),
    "rows": lambda layout, rule: heads.ComponentHead(HIDDEN, layout, component="row", init=rule, signs=False),
}


@pytest.mark.parametrize("head", WITHOUT_SIGNS)
def test_short_rows_need_signs_of_their_own(head: str) -> None:
    """Rows made by one map from nearly parallel features start nearly parallel: the fixed signs are what mends it."""
    worst, found = far_off("mlp_kaiming", start("mlp_kaiming", WITHOUT_SIGNS[head]))
    assert worst > FACTOR, found


@pytest.mark.parametrize(("rank", "enough"), [(2, False), (8, True)])
def test_thin_factors_shrink_a_deep_target(rank: int, enough: bool) -> None:
    def make(layout: hd.ParamLayout, rule: init.Init) -> nn.Module:
        return heads.FactoredHead(HIDDEN, layout, rank, init=rule)

    worst, found = far_off("mlp_kaiming", start("mlp_kaiming", make))
    assert (worst <= FACTOR) == enough, found


@pytest.mark.parametrize("head", HEADS)
def test_hyperfan_in_keeps_the_variance_over_layers(head: str) -> None:
    """Within a factor of five of the input's, and of each other."""
    logs = start("mlp", HEADS[head], init.hyperfan_in, seeds=20)
    moments = logs.mean(1).exp()
    assert moments.min() >= 0.2, report(moments, logs.std(1))
    assert moments.max() <= 5.0, report(moments, logs.std(1))
    assert moments.max() / moments.min() <= 5.0, report(moments, logs.std(1))


@pytest.mark.parametrize("head", HEADS)
def test_hyperfan_out_keeps_the_gradient_over_layers(head: str) -> None:
    each = []
    for seed in range(10):
        torch.manual_seed(seed)
        model = build(TARGETS["mlp"], HEADS[head], init.hyperfan_out)
        weights = model.generate(torch.arange(4))
        for i in range(4):
            seen = model.target({name: w[i] for name, w in weights.items()}, data(TARGETS["mlp"]))
            grads = torch.autograd.grad(seen[-1], seen[:-1], torch.randn_like(seen[-1]), retain_graph=True)
            each.append(log_moments([g[None] for g in grads]))
    logs = torch.cat(each, dim=1)
    moments = logs.mean(1).exp()
    assert moments.max() / moments.min() <= 5.0, report(moments, logs.std(1))


def test_naive_gradients_do_not_stay() -> None:
    torch.manual_seed(0)
    model = build(TARGETS["mlp"], HEADS["full"], init.naive)
    seen = model.target(model.generate(torch.tensor(0)), data(TARGETS["mlp"]))
    first, last = torch.autograd.grad(seen[-1].sum(), [seen[0], seen[-2]])
    assert first.square().mean() > 1e6 * last.square().mean()
