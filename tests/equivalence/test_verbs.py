"""The four calls are a plain loop over contexts, in value and in gradient."""

import math

import pytest
import torch

from hyperdnn._torch import tree_leaves, tree_map

from .loop import (
    assert_same,
    at,
    differentiable,
    gradients,
    join,
    loop,
    loop_gradients,
    prepare,
    random_weights,
    stacked,
    with_weights,
)
from .subjects import SUBJECTS

every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=str)
with_modes = pytest.mark.parametrize(("subject", "mode"), [(s, mode) for s in SUBJECTS for mode in s.modes], ids=str)

BATCHED = [  # contexts, samples, data_dims
    ((1,), 1, 0),
    ((1,), 5, 0),
    ((7,), 5, 0),
    ((7,), 1, 0),
    ((7,), 5, None),
    ((2, 3), 5, (0, 0)),
    ((2, 3), 5, (None, 0)),
    ((2, 3), 5, (0, None)),
    ((2, 3), 5, None),
]
LOOPED = [BATCHED[2], BATCHED[4], BATCHED[6]]


def _stack(contexts):
    return lambda outputs: torch.stack(outputs).reshape((*contexts, *outputs[0].shape))


@pytest.mark.parametrize("samples", [1, 5])
@every_subject
def test_a_call_is_the_module_with_these_weights(subject, samples):
    plain, target = prepare(subject)
    weights, inputs = random_weights(target, ()), differentiable(subject.inputs(samples))
    for _ in range(2):  # a call leaves no trace for the next
        args, kwargs = inputs
        y = target(weights, *args, **kwargs)
        measured = gradients(y, weights, target, inputs)
    args, kwargs = twin = differentiable(inputs)
    net = with_weights(plain, weights)
    expected = net(*args, **kwargs)
    assert_same(y, expected)
    assert_same(measured, loop_gradients(expected, {(): net}, target, (), twin))


@pytest.mark.parametrize(
    ("subject", "mode", "contexts", "samples", "data_dims"),
    [(s, mode, *call) for s in SUBJECTS for mode in s.modes for call in (BATCHED if mode == "vmap" else LOOPED)],
    ids=str,
)
def test_batched_is_a_loop(subject, mode, contexts, samples, data_dims):
    plain, target = prepare(subject)
    dims = [data_dims] * len(contexts) if not isinstance(data_dims, tuple) else data_dims
    leading = [size for size, dim in zip(contexts, dims, strict=True) if dim is not None]
    weights = random_weights(target, contexts)
    inputs = differentiable(stacked([subject.inputs(samples) for _ in range(math.prod(leading))], leading))
    args, kwargs = inputs
    y = target.batched(weights, *args, data_dims=data_dims, mode=mode, **kwargs)

    twin = differentiable(inputs)

    def call(net, where):
        args, kwargs = at(twin, tuple(i for i, dim in zip(where, dims, strict=True) if dim is not None))
        return net(*args, **kwargs)

    outputs, nets = loop(plain, weights, contexts, call)
    expected = join(list(outputs.values()), _stack(contexts))
    assert_same(y, expected)
    assert_same(gradients(y, weights, target, inputs), loop_gradients(expected, nets, target, contexts, twin))


@pytest.mark.parametrize("contexts", [(1,), (7,), (2, 3)], ids=str)
@with_modes
def test_paired_is_a_loop_over_batches_of_one(subject, mode, contexts):
    plain, target = prepare(subject)
    weights = random_weights(target, contexts)
    inputs = differentiable(stacked([at(subject.inputs(1), 0) for _ in range(math.prod(contexts))], contexts))
    args, kwargs = inputs
    y = target.paired(weights, *args, mode=mode, **kwargs)

    twin = differentiable(inputs)

    def call(net, where):
        args, kwargs = at(at(twin, where), None)  # x[None]: a batch of one
        return at(net(*args, **kwargs), 0)

    outputs, nets = loop(plain, weights, contexts, call)
    expected = join(list(outputs.values()), _stack(contexts))
    assert_same(y, expected)
    assert_same(gradients(y, weights, target, inputs), loop_gradients(expected, nets, target, contexts, twin))


@pytest.mark.parametrize(
    "index",
    [[0], [2, 0, 2, 1, 0, 2, 4, 4], [1, 1, 1], [3, 3, 0, 0, 3, 0, 1, 1]],
    ids=["one", "unequal", "one-context", "equal-pairs-and-more"],
)
@with_modes
def test_grouped_is_a_loop_over_groups(subject, mode, index):
    plain, target = prepare(subject)
    weights = random_weights(target, (5,))
    index = torch.tensor(index)
    inputs = differentiable(subject.inputs(len(index)))
    args, kwargs = inputs
    y = target.grouped(weights, *args, index=index, mode=mode, **kwargs)

    twin = differentiable(inputs)
    present = index.unique()

    def call(net, where):
        if where[0] not in present:
            return None
        args, kwargs = at(twin, index == where[0])
        return net(*args, **kwargs)

    outputs, nets = loop(plain, weights, (5,), call)
    order = torch.cat([(index == i).nonzero().squeeze(1) for i in range(5)])
    expected = join([y for y in outputs.values() if y is not None], lambda parts: torch.cat(parts)[order.argsort()])
    assert_same(y, expected)
    assert_same(gradients(y, weights, target, inputs), loop_gradients(expected, nets, target, (5,), twin))


@pytest.mark.parametrize("contexts", [(0,), (0, 3), (3, 0)], ids=str)
@pytest.mark.parametrize("shared", [False, True], ids=["own-data", "shared-data"])
@with_modes
def test_no_context_gives_an_empty_output_and_zero_gradients(subject, mode, shared, contexts):
    plain, target = prepare(subject)
    weights, one = random_weights(target, contexts), subject.inputs(2)
    expected = tree_map(
        lambda y: y.new_zeros((*contexts, *y.shape)) if hasattr(y, "shape") else y, plain(*one[0], **one[1])
    )
    if not shared:
        one = tree_map(lambda x: x.new_zeros((*contexts, *x.shape)) if hasattr(x, "shape") else x, one)
    y = target.batched(weights, *one[0], data_dims=None if shared else 0, mode=mode, **one[1])
    assert_same(y, expected)
    assert_same(
        gradients(y, weights, target, one),
        {
            **{n: torch.zeros_like(w) for n, w in weights.items()},
            **{f"kept {n}": torch.zeros_like(p) for n, p in target.module.named_parameters()},
        },
    )


@every_subject
def test_no_sample_in_grouped_gives_an_empty_output(subject):
    _, target = prepare(subject)
    weights, (args, kwargs) = random_weights(target, (3,)), at(subject.inputs(2), slice(0))
    y = target.grouped(weights, *args, index=torch.zeros(0, dtype=torch.long), mode=subject.modes[0], **kwargs)
    some = target.grouped(
        weights, *subject.inputs(2)[0], index=torch.tensor([0, 2]), mode=subject.modes[0], **subject.inputs(2)[1]
    )
    assert_same(y, at(some, slice(0)))
    sum(leaf.sum() for leaf in tree_leaves(y) if hasattr(leaf, "shape")).backward()
    assert all(not w.grad.any() for w in weights.values())


@every_subject
def test_nothing_generated_is_left_in_the_module(subject):
    _, target = prepare(subject)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    weights, (args, kwargs) = random_weights(target, ()), subject.inputs(3)
    target(weights, *args, **kwargs)
    assert {n for n, _ in target.module.named_parameters()}.isdisjoint(target.replaced.names)
    after = target.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
