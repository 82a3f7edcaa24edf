"""Whose the running statistics are: each policy against plain modules, or a pooled computation by hand."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call

import hyperdnn as hd
from hyperdnn.errors import BufferPolicyError

from .loop import assert_same, with_weights
from .subjects import FLOAT

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def _dense(**options):
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, **options), nn.Tanh(), nn.Linear(4, 2)).to(FLOAT)


def _convolutional(**options):
    return nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4, **options), nn.Tanh(), nn.Conv2d(4, 2, 1)).to(FLOAT)


NETS = {"dense": (_dense, (3,)), "convolutional": (_convolutional, (3, 3, 4))}
OPTIONS = [{}, {"momentum": None}, {"momentum": 0.5, "eps": 0.1}, {"affine": False}, {"bias": False}]
every_net = pytest.mark.parametrize("kind", NETS)


def _random(target, *contexts):
    return {s.name: torch.randn((*contexts, *s.shape), dtype=FLOAT).requires_grad_() for s in target.layout}


def _statistics(net):
    return {name: getattr(net[1], name).clone() for name in BUFFERS}


def _pooled(plain, weights, xs):
    """Contexts in lockstep, layer by layer: one set of statistics from the values of all of them."""
    hidden = [functional_call(plain[0], _part(weights, i, "0."), (x,)) for i, x in enumerate(xs)]
    values = torch.cat([h.transpose(0, 1).flatten(1) for h in hidden], dim=1)
    mean, variance = values.mean(1), values.var(1, correction=0)
    outputs = []
    for i, h in enumerate(hidden):
        shape = (1, -1, *[1] * (h.ndim - 2))
        standard = (h - mean.view(shape)) / (variance.view(shape) + plain[1].eps).sqrt()
        affine = _part(weights, i, "1.")
        if "weight" in affine:
            standard = standard * affine["weight"].view(shape)
        if "bias" in affine:
            standard = standard + affine["bias"].view(shape)
        outputs.append(functional_call(plain[3], _part(weights, i, "3."), (standard.tanh(),)))
    rate = plain[1].momentum or 1.0
    running = {
        "running_mean": (1 - rate) * plain[1].running_mean + rate * mean,
        "running_var": (1 - rate) * plain[1].running_var + rate * values.var(1),
        "num_batches_tracked": plain[1].num_batches_tracked + 1,
    }
    return outputs, running


def _part(weights, i, prefix):
    return {n.removeprefix(prefix): w[i] for n, w in weights.items() if n.startswith(prefix)}


def _gradients(outputs, weights, *others):
    total = sum((torch.sin(torch.arange(1.0, y.numel() + 1, dtype=FLOAT)).view(y.shape) * y).sum() for y in outputs)
    return torch.autograd.grad(total, [*weights.values(), *others])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@every_net
def test_shared_pools_over_samples_and_contexts(kind, options):
    make, shape = NETS[kind]
    plain = make(**options)
    target = hd.Target(copy.deepcopy(plain), buffers="shared")
    weights, x = _random(target, 5), torch.randn(5, 6, *shape, dtype=FLOAT, requires_grad=True)
    y = target.batched(weights, x)
    outputs, running = _pooled(plain, weights, x)
    assert_same(list(y), outputs)
    assert_same(_statistics(target.module), {n: v.detach() for n, v in running.items()})
    assert_same(_gradients(y, weights, x), _gradients(outputs, weights, x))


@every_net
def test_shared_with_equal_weights_is_the_plain_module_on_one_large_batch(kind):
    make, shape = NETS[kind]
    plain = make()
    target = hd.Target(copy.deepcopy(plain), buffers="shared")
    weights = {
        n: target_weight.detach().expand(2, 3, *target_weight.shape) for n, target_weight in plain.named_parameters()
    }
    for _ in range(3):
        x = torch.randn(2, 3, 4, *shape, dtype=FLOAT) * 2 + 1
        y = target.batched(weights, x)
        assert_same(y.flatten(0, 2), plain(x.flatten(0, 2)))
        assert_same(_statistics(target.module), _statistics(plain))
    target.eval(), plain.eval()
    assert_same(target.batched(weights, x).flatten(0, 2), plain(x.flatten(0, 2)))


@every_net
def test_shared_in_paired_pools_over_the_samples(kind):
    make, shape = NETS[kind]
    plain = make()
    target = hd.Target(copy.deepcopy(plain), buffers="shared")
    weights, x = _random(target, 7), torch.randn(7, *shape, dtype=FLOAT)
    outputs, running = _pooled(plain, weights, x.unsqueeze(1))
    assert_same(target.paired(weights, x), torch.cat(outputs))
    assert_same(_statistics(target.module), {n: v.detach() for n, v in running.items()})


@pytest.mark.parametrize(
    "index", [[0, 1, 2, 2, 1, 0], [0, 2, 2, 2, 0, 2], [1, 1, 0, 2, 2, 2, 0]], ids=["even", "gap", "uneven"]
)
def test_shared_in_grouped_pools_over_the_whole_batch_or_is_refused(index):
    plain = _dense()
    target = hd.Target(copy.deepcopy(plain), buffers="shared")
    index, x = torch.tensor(index), torch.randn(len(index), 3, dtype=FLOAT)
    weights = _random(target, 3)
    try:
        y = target.grouped(weights, x, index=index)
    except BufferPolicyError:
        return
    outputs, running = _pooled(plain, weights, [x[index == i] for i in range(3)])
    expected = torch.empty_like(y)
    for i, output in enumerate(outputs):
        expected[index == i] = output
    assert_same(y, expected)
    assert_same(_statistics(target.module), {n: v.detach() for n, v in running.items()})


def test_shared_in_a_loop_pools_over_contexts_or_is_refused():
    target = hd.Target(_dense(), buffers="shared")
    twin, weights, x = copy.deepcopy(target), _random(target, 3), torch.randn(3, 5, 3, dtype=FLOAT)
    try:
        y = target.batched(weights, x, mode="loop")
    except BufferPolicyError:
        return
    assert_same(y, twin.batched(weights, x))
    assert_same(_statistics(target.module), _statistics(twin.module))


def test_shared_counts_data_that_contexts_share_once():
    plain = nn.Sequential(nn.Identity(), nn.BatchNorm1d(3), nn.Linear(3, 2)).to(FLOAT)
    target = hd.Target(copy.deepcopy(plain), "2.*", buffers="shared")
    x = torch.randn(5, 3, dtype=FLOAT)
    target.batched(_random(target, 4), x, data_dims=None)
    plain(x)
    assert_same(_statistics(target.module), _statistics(plain))


def test_shared_leaves_an_empty_batch_without_trace():
    plain = _dense()
    target = hd.Target(copy.deepcopy(plain), buffers="shared")
    assert target.batched(_random(target, 3), torch.randn(3, 0, 3, dtype=FLOAT)).shape == (3, 0, 2)
    plain(torch.randn(0, 3, dtype=FLOAT))
    assert_same(_statistics(target.module), _statistics(plain))


def test_shared_follows_autocast_as_torch_does():
    plain = _dense().float()
    target = hd.Target(copy.deepcopy(plain), buffers="shared")
    weights, x = {n: w.detach() for n, w in plain.named_parameters()}, torch.randn(8, 3)
    with torch.autocast("cpu", torch.bfloat16):
        y, expected = target(weights, x), plain(x)
    assert y.dtype == expected.dtype
    torch.testing.assert_close(target.module[1].running_mean, plain[1].running_mean, rtol=0.01, atol=0.01)


def test_shared_differentiates_twice():
    target = hd.Target(_dense(), buffers="shared")
    names = target.layout.names

    def call(x, *weights):
        return target.batched(dict(zip(names, weights, strict=True)), x)

    inputs = (torch.randn(2, 4, 3, dtype=FLOAT, requires_grad=True), *_random(target, 2).values())
    assert torch.autograd.gradcheck(call, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(call, inputs, fast_mode=True)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("options", [{}, {"momentum": 0.5}, {"affine": False}], ids=str)
@every_net
def test_per_context_gives_each_context_a_module_of_its_own(kind, options, training):
    make, shape = NETS[kind]
    plain = make(**options).train(training)
    target = hd.Target(copy.deepcopy(plain), buffers="per_context")
    weights, ids = _random(target, 3), torch.tensor([4, 0, 2])
    nets = [with_weights(plain, {n: w[i] for n, w in weights.items()}) for i in range(3)]
    buffers = target.initial_buffers(6)
    for _ in range(2):
        given = {n: b.clone() for n, b in buffers.items()}
        x = torch.randn(3, 5, *shape, dtype=FLOAT)
        y, after = target.with_buffers(weights, x, buffers, ids)
        assert_same(list(y), [net(one) for net, one in zip(nets, x, strict=True)])
        assert_same(buffers, given)
        buffers = after
    for i, net in zip(ids.tolist(), nets, strict=True):
        assert_same({n: buffers[f"1.{n}"][i] for n in BUFFERS}, _statistics(net))
    for i in (1, 3, 5):
        assert_same({n: buffers[f"1.{n}"][i] for n in BUFFERS}, _statistics(plain))


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_per_context_of_one_context_mutates_nothing(training):
    plain = _dense().train(training)
    target = hd.Target(copy.deepcopy(plain), buffers="per_context")
    weights, buffers = _random(target), target.initial_buffers(3)
    given = {n: b.clone() for n, b in buffers.items()}
    x = torch.randn(5, 3, dtype=FLOAT)
    y, after = target.with_buffers(weights, x, buffers, torch.tensor(1))
    net = with_weights(plain, weights)
    assert_same(y, net(x))
    assert_same({n: after[f"1.{n}"][1] for n in BUFFERS}, _statistics(net))
    assert_same(buffers, given)


@pytest.mark.parametrize(
    "ids", [torch.tensor([2, 0], dtype=torch.int32), torch.tensor([2, 0], dtype=torch.uint8)], ids=str
)
def test_per_context_takes_ids_of_any_integer_type(ids):
    target = hd.Target(_dense(), buffers="per_context")
    twin, weights, x = copy.deepcopy(target), _random(target, 2), torch.randn(2, 5, 3, dtype=FLOAT)
    measured = target.with_buffers(weights, x, target.initial_buffers(3), ids)
    assert_same(measured, twin.with_buffers(weights, x, twin.initial_buffers(3), ids.long()))


def test_per_context_with_two_context_dimensions():
    plain = _dense()
    target = hd.Target(copy.deepcopy(plain), buffers="per_context")
    weights, ids = _random(target, 2, 3), torch.tensor([[5, 4, 3], [0, 1, 2]])
    x = torch.randn(2, 3, 4, 3, dtype=FLOAT)
    y, after = target.with_buffers(weights, x, target.initial_buffers(6), ids)
    for where in [(0, 0), (1, 2)]:
        net = with_weights(plain, {n: w[where] for n, w in weights.items()})
        assert_same(y[where], net(x[where]))
        assert_same({n: after[f"1.{n}"][ids[where]] for n in BUFFERS}, _statistics(net))


@pytest.mark.parametrize("policy", ["frozen", "batch", "per_context"])
@every_net
def test_the_targets_own_statistics_stay_bit_equal(kind, policy):
    make, shape = NETS[kind]
    target = hd.Target(make(), buffers=policy)
    before = {n: b.clone() for n, b in target.module.named_buffers()}
    weights, x = _random(target, 3), torch.randn(3, 4, *shape, dtype=FLOAT)
    target.train()
    if policy == "per_context":
        target.with_buffers(weights, x, target.initial_buffers(3), torch.arange(3))
    else:
        target.batched(weights, x)
        target.grouped(weights, x.flatten(0, 1), index=torch.arange(3).repeat_interleave(4))
    assert all(torch.equal(b, before[n]) for n, b in target.module.named_buffers())
    assert (policy == "batch") == (not before)


@pytest.mark.parametrize("policy", ["frozen", "batch", "shared", "per_context"])
def test_no_context_leaves_the_statistics_alone(policy):
    target = hd.Target(_dense(), buffers=policy)
    before = {n: b.clone() for n, b in target.module.named_buffers()}
    weights, x = _random(target, 0), torch.randn(0, 4, 3, dtype=FLOAT)
    if policy == "per_context":
        y, after = target.with_buffers(weights, x, target.initial_buffers(2), torch.zeros(0, dtype=torch.long))
        assert_same(after, target.initial_buffers(2))
    else:
        y = target.batched(weights, x)
    assert y.shape == (0, 4, 2)
    assert all(torch.equal(b, before[n]) for n, b in target.module.named_buffers())
