"""Hypernets against what they are made of: nested, in one chunk, their product with a vector, grouped contexts."""

import copy

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, init

from .loop import assert_same, join, loop, with_weights
from .subjects import FLOAT


def _net():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(FLOAT)


def _hypernet(encoder, layout, width=5):
    head = heads.ChunkedHead(6, layout, 7)
    body = bodies.MLP(width + 3, 6, activation="tanh")
    return hd.Hypernet(encoder=encoder, slots=encoders.Slots(head.slots, 3), body=body, head=head).to(FLOAT)


def _random(layout, *contexts):
    return {s.name: (0.5 * torch.randn((*contexts, *s.shape), dtype=FLOAT)).requires_grad_() for s in layout}


@pytest.mark.parametrize("kind", ["vectors", "table"])
def test_nested_is_composed(kind):
    """A hypernet that generates a hypernet that generates a network: every context of the one has many of the other."""
    net = _net()
    inner = hd.Target(copy.deepcopy(net))
    encoder = encoders.Table(4, 5) if kind == "table" else encoders.Vector(5)
    hypernet = _hypernet(encoder, inner.layout)
    plain = copy.deepcopy(hypernet)
    outer = hd.Target(hypernet)
    weights = _random(outer.layout, 3)
    contexts = torch.tensor([[0, 1], [3, 3], [2, 0]]) if kind == "table" else torch.randn(3, 2, 5, dtype=FLOAT)
    x = torch.randn(3, 2, 6, 3, dtype=FLOAT)
    y = inner.batched(outer.batched(weights, contexts), x)

    def call(made, where):
        generated = made(contexts[where])
        outputs = [with_weights(net, {n: w[i] for n, w in generated.items()})(x[where][i]) for i in range(2)]
        return torch.stack(outputs)

    outputs, _ = loop(plain, weights, (3,), call)
    assert_same(y, torch.stack(list(outputs.values())))


def test_two_levels_learn_together():
    """Tasks generate hypernets, which generate networks for their own contexts: many contexts at both levels."""
    net = _net()
    inner = hd.Target(copy.deepcopy(net))
    made = _hypernet(encoders.Vector(5), inner.layout)
    plain = copy.deepcopy(made)
    target = hd.Target(made)
    outer = hd.HyperDNN(target, _hypernet(encoders.Table(2, 5), target.layout))
    vectors = torch.randn(2, 3, 5, dtype=FLOAT)
    x, y = torch.randn(2, 3, 8, 3, dtype=FLOAT), torch.randn(2, 3, 8, 2, dtype=FLOAT)

    def error(tasks):
        return (inner.batched(outer(vectors, context=tasks), x) - y).square().mean()

    weights = outer.generate(torch.arange(2))
    outputs, _ = loop(plain, weights, (2,), lambda hypernet, where: inner.batched(hypernet(vectors[where]), x[where]))
    assert_same(error(torch.arange(2)), (torch.stack(list(outputs.values())) - y).square().mean())
    parameters = list(outer.parameters())
    optimizer = torch.optim.Adam(parameters, 3e-3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = error(torch.arange(2))
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    assert all(p.grad.abs().max() > 0 for p in parameters)
    assert losses[-1] < 0.9 * losses[0]


def test_a_model_as_a_target():
    class Applied(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x, context):
            return self.model(x, context=context)

    model = hd.HyperDNN.for_vectors(_net(), 4, hidden=5).to(FLOAT)
    plain = Applied(copy.deepcopy(model))
    outer = hd.Target(Applied(model))
    weights = _random(outer.layout, 3)
    x, context = torch.randn(3, 2, 5, 3, dtype=FLOAT), torch.randn(3, 2, 4, dtype=FLOAT)
    outputs, _ = loop(plain, weights, (3,), lambda net, where: net(x[where], context[where]))
    assert_same(outer.batched(weights, x, context), join(list(outputs.values()), torch.stack))


def test_one_chunk_is_the_full_head():
    layout = hd.ParamLayout.of(_net())
    full = heads.FullHead(6, layout, init=init.naive, dtype=FLOAT)
    options = {"init": init.naive, "signs": False, "dtype": FLOAT}
    chunked = heads.ChunkedHead(6, layout, layout.numel, **options)
    chunked.linear.load_state_dict(full.linear.state_dict())
    with torch.no_grad():
        chunked.linear.weight /= 6**0.5  # a chunk's features have unit root mean square, the full head's unit length
    features = torch.randn(4, 6, dtype=FLOAT)
    assert_same(chunked(features.unsqueeze(-2)), full(features))


def test_multi_head_is_the_full_head_cut_into_maps():
    layout = hd.ParamLayout.of(_net())
    full, multi = (part(6, layout, dtype=FLOAT) for part in (heads.FullHead, heads.MultiHead))
    for linear, weight, bias in zip(
        multi.linears, full.linear.weight.split(layout.sizes), full.linear.bias.split(layout.sizes), strict=True
    ):
        linear.load_state_dict({"weight": weight, "bias": bias})
    features = torch.randn(2, 3, 6, dtype=FLOAT)
    assert_same(multi(features), full(features))


@pytest.mark.parametrize("contexts", [torch.tensor(1), torch.arange(3), torch.tensor([[0, 2], [2, 2]])], ids=str)
def test_hypernet_vjp_is_autograd_of_the_inner_product(contexts):
    hypernet = _hypernet(encoders.Table(3, 5), hd.ParamLayout.of(_net()))
    weights = hypernet(contexts)
    vectors = {n: torch.randn_like(w) for n, w in weights.items()}
    inner = sum((w * vectors[n]).sum() for n, w in weights.items())
    parameters = list(hypernet.parameters())
    expected = torch.autograd.grad(inner, parameters, retain_graph=True, allow_unused=True)
    for times in (1, 2):  # accumulates, as backward does
        hd.hypernet_vjp(hypernet(contexts) if times == 2 else weights, vectors)
        for p, grad in zip(parameters, expected, strict=True):
            assert_same(p.grad, None if grad is None else times * grad)


@pytest.mark.parametrize("kind", ["table", "vectors"])
def test_grouped_finds_equal_contexts(kind):
    """Value and gradient, also of what the contexts were made from, are those of one call for each sample."""
    encoder = encoders.Table(4, 5) if kind == "table" else encoders.Vector(5)
    net = _net()
    target = hd.Target(copy.deepcopy(net))
    model = hd.HyperDNN(target, _hypernet(encoder, target.layout))
    x, index = torch.randn(6, 3, dtype=FLOAT), torch.tensor([2, 0, 2, 3, 0, 2])
    distinct = torch.randn(4, 5, dtype=FLOAT, requires_grad=True)
    context = index if kind == "table" else distinct[index]
    leaves = [*model.parameters(), distinct]
    y = model.grouped(x, context=context)
    found = torch.autograd.grad(y.square().sum(), leaves, allow_unused=True, retain_graph=True)
    each = torch.cat([model(one[None], context=c) for one, c in zip(x, context, strict=True)])
    assert_same(y, each)
    assert_same(found, torch.autograd.grad(each.square().sum(), leaves, allow_unused=True))


def test_the_verbs_of_a_model_are_those_of_its_target():
    model = hd.HyperDNN.for_tasks(_net(), 4).to(FLOAT)
    ids, index = torch.tensor([3, 1]), torch.tensor([1, 0, 1])
    x, weights = torch.randn(2, 5, 3, dtype=FLOAT), model.generate(torch.tensor([3, 1]))
    assert_same(model(x, context=ids), model.target.batched(weights, x))
    assert_same(model(x[0], context=ids, data_dims=None), model.target.batched(weights, x[0], data_dims=None))
    assert_same(model(x[0], context=ids[0]), model.target({n: w[0] for n, w in weights.items()}, x[0]))
    assert_same(model.paired(x[:, 0], context=ids), model.target.paired(weights, x[:, 0]))
    assert_same(model.grouped(x[0, :3], context=ids, index=index), model.target.grouped(weights, x[0, :3], index=index))
    assert model.grouped(x[0, :0], context=ids[:0]).shape == (0, 2)
