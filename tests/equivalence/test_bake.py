"""A baked network is the plain module with the generated weights, and nothing else."""

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn._torch import tree_leaves
from hyperdnn.errors import HyperDNNError

from .loop import assert_same, prepare, random_weights
from .subjects import FLOAT, SUBJECTS

every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=str)


@every_subject
def test_baked_is_generated(subject):
    _, target = prepare(subject)
    weights, (args, kwargs) = random_weights(target, ()), subject.inputs(5)
    assert_same(target.bake(weights)(*args, **kwargs), target(weights, *args, **kwargs))


@every_subject
def test_baked_is_of_the_original_classes_and_names(subject):
    plain, target = prepare(subject)
    baked = target.bake(random_weights(target, ()))
    assert [(n, type(m)) for n, m in baked.named_modules()] == [(n, type(m)) for n, m in plain.named_modules()]
    assert list(baked.state_dict()) == list(plain.state_dict())
    assert str(baked) == str(plain)
    # Ties included: a tied parameter is listed once.
    assert [n for n, _ in baked.named_parameters()] == [n for n, _ in plain.named_parameters()]


@every_subject
def test_baked_and_target_are_independent(subject):
    _, target = prepare(subject)
    weights, (args, kwargs) = random_weights(target, ()), subject.inputs(5)
    expected, baked = target(weights, *args, **kwargs), target.bake(weights)
    with torch.no_grad():
        for tensor in [*baked.parameters(), *baked.buffers()]:
            tensor.zero_()
    assert_same(target(weights, *args, **kwargs), expected)


@every_subject
def test_baked_trains_like_the_plain_module(subject):
    plain, target = prepare(subject)
    baked = target.bake(random_weights(target, ()))
    plain.load_state_dict(baked.state_dict())
    args, kwargs = subject.inputs(5)
    for net in (plain, baked):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for _ in range(2):
            optimizer.zero_grad()
            output = net(*args, **kwargs)
            leaves = [y for y in tree_leaves(output) if isinstance(y, torch.Tensor)]
            sum(y.square().sum() for y in leaves).backward()
            optimizer.step()
    assert_same(baked.state_dict(), plain.state_dict())


@pytest.mark.parametrize("options", [{}, {"affine": False}, {"bias": False}, {"momentum": None, "eps": 0.1}], ids=str)
@pytest.mark.parametrize("policy", ["frozen", "batch", "shared", "per_context"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_baked_batch_norm_goes_on_as_torchs_own(options, policy, training):
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, **options), nn.Linear(4, 2)).to(FLOAT)
    described = str(net[1])
    target = hd.Target(net, buffers=policy).train(training)
    weights, x = random_weights(target, ()), torch.randn(6, 3, dtype=FLOAT)
    if policy == "per_context":
        buffers = {n: b[1] for n, b in target.initial_buffers(3).items()}
        expected, _ = target.with_buffers(weights, x, target.initial_buffers(3), torch.tensor(1))
        baked = target.bake(weights, buffers=buffers)
    else:
        baked = target.bake(weights)
        expected = target(weights, x)
    assert_same(baked(x), expected)
    assert type(baked[1]) is nn.BatchNorm1d
    assert str(baked[1]) == (described if policy != "batch" else described.replace("stats=True", "stats=False"))
    # Only "batch" has no statistics to go on with.
    leaves = {leaf for leaf, p in (("weight", baked[1].weight), ("bias", baked[1].bias)) if p is not None}
    assert leaves == {n.removeprefix("1.") for n in target.layout.names if n.startswith("1.")}


def test_baking_statistics_of_many_contexts_is_refused():
    target = hd.Target(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), buffers="per_context")
    weights = {s.name: torch.randn(s.shape) for s in target.layout}
    for contexts in (1, 3):
        with pytest.raises(HyperDNNError):
            target.bake(weights, buffers=target.initial_buffers(contexts))


def test_a_model_bakes_what_it_generates():
    model = hd.HyperDNN.for_tasks(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), 3)
    x = torch.randn(5, 3)
    baked = model.bake(torch.tensor(2))
    assert_same(baked(x), model(x, context=torch.tensor(2)))
    assert all(p.requires_grad and p.is_leaf for p in baked.parameters())
