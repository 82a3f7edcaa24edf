"""A graph hypernet starts and trains networks that it has never seen."""

from functools import cache
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.layout import Architecture
from hyperdnn.typing import Weights

from ..architectures import CLASSES, IMAGE, RandomNet

COUNT, TOGETHER, FACTOR = 200, 32, 3.0


@cache
def architectures() -> list[Architecture]:
    torch.manual_seed(0)
    return [Architecture.of(RandomNet(seed)) for seed in range(COUNT)]


def build(head: nn.Module | None = None) -> hd.GraphHypernet:
    nodes = encoders.Nodes(encoders.Nodes.vocabulary_of(architectures()), 24)
    return hd.GraphHypernet(nodes=nodes, body=bodies.Graph(24, 32), head=head or heads.TiledHead(32))


def batches() -> list[list[Architecture]]:
    found = architectures()
    return [found[i : i + TOGETHER] for i in range(0, COUNT, TOGETHER)]


def far_off(arch: Architecture, weights: Weights) -> list[str]:
    """Parameters that do not start as the architecture's own."""
    assert arch.layout.check(weights) == ()
    found = []
    for spec in arch.layout:
        own = (spec.init_mean**2 + spec.init_std**2) ** 0.5
        made = weights[spec.name].detach().square().mean().sqrt().item()
        # Few numbers are by chance alone all small, or one of them large.
        least, most = (own / FACTOR, own * FACTOR) if spec.numel >= 16 else (0.0, 2 * own * FACTOR)
        if not least <= made <= most:
            found.append(f"'{spec.name}' {spec.shape} starts at {made}, not at {own}")
    return found


def test_every_network_starts_as_by_itself_and_its_loss_reaches_every_trained_part() -> None:
    hypernet, x = build(), torch.randn(2, *IMAGE)
    labels = torch.tensor([0, CLASSES - 1])
    own, made = [], []
    for batch in batches():
        losses = []
        for arch, weights in zip(batch, hypernet.batch(batch), strict=True):
            assert far_off(arch, weights) == []
            y = torch.func.functional_call(arch.module, weights, (x,))
            losses.append(F.cross_entropy(y, labels))
            made.append(y.detach().square().mean().log())
            with torch.no_grad():
                own.append(arch.module(x).square().mean().log())
        hypernet.zero_grad()
        torch.stack(losses).mean().backward()
        assert [name for name, p in hypernet.named_parameters() if p.grad is None or not p.grad.any()] == []
        assert all(p.grad.isfinite().all() for p in hypernet.parameters())
    ratio = (torch.stack(made).mean() - torch.stack(own).mean()).exp()
    assert 1 / FACTOR < ratio < FACTOR


@torch.no_grad()
def test_a_map_for_each_shape_starts_every_network_too() -> None:
    batch = architectures()[:TOGETHER]
    head = heads.NodeHead(32, shapes=heads.NodeHead.shapes_of(arch.layout for arch in batch))
    for arch, weights in zip(batch, build(head).batch(batch), strict=True):
        assert far_off(arch, weights) == []


def test_training_on_some_architectures_helps_others() -> None:
    nets = (RandomNet(seed, norms=("batch", "group")) for seed in range(1000, 1200))
    archs = list(islice((Architecture.of(net) for net in nets if len(net.steps) <= 6), 40))
    targets = {arch: hd.Target.of(arch, buffers="batch") for arch in archs}
    nodes = encoders.Nodes(encoders.Nodes.vocabulary_of(archs), 24)
    hypernet = hd.GraphHypernet(nodes=nodes, body=bodies.Graph(24, 32), head=heads.TiledHead(32))
    colours, labels = 2 * torch.randn(CLASSES, IMAGE[0], 1, 1), torch.arange(CLASSES).repeat(3)

    def loss(batch: list[Architecture]) -> Tensor:
        x = colours[labels] + torch.randn(len(labels), *IMAGE)
        pairs = zip(batch, hypernet.batch(batch), strict=True)
        return torch.stack([F.cross_entropy(targets[arch](weights, x), labels) for arch, weights in pairs]).mean()

    seen, unseen = archs[:28], archs[28:]
    with torch.no_grad():
        before = loss(unseen)
    optimizer = torch.optim.Adam(hypernet.parameters(), lr=0.01)
    for step in range(24):
        optimizer.zero_grad()
        at = 4 * step % len(seen)
        loss(seen[at : at + 4]).backward()
        torch.nn.utils.clip_grad_norm_(hypernet.parameters(), 5.0)
        optimizer.step()
    with torch.no_grad():
        after = loss(unseen)
    assert after < 0.9 * before
