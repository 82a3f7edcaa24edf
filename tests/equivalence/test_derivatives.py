"""Targets under torch's own transforms, and derivatives of derivatives.

With attention's plain formula: its fused kernels have neither a batching rule nor a second derivative.
"""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from hyperdnn._torch import tree_leaves, tree_map

from .loop import assert_same, at, prepare, random_weights, stacked
from .subjects import SUBJECTS

mapped = [subject for subject in SUBJECTS if "vmap" in subject.modes]
every_subject = pytest.mark.parametrize("subject", mapped, ids=str)
TWICE = ("mlp", "cnn", "residual", "batchnorm-batch", "lstm", "gru-cell", "attention", "hypernet", "structured")
twice = pytest.mark.parametrize("subject", [s for s in mapped if s.name in TWICE], ids=str)


def _tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _number(output):
    return sum(leaf.square().sum() for leaf in _tensors(output))


@every_subject
def test_vmap_of_a_call_is_batched(subject):
    _, target = prepare(subject)
    weights = random_weights(target, (3,))
    args, kwargs = stacked([subject.inputs(4) for _ in range(3)], (3,))
    data = {name: value for name, value in kwargs.items() if _tensors(value)}
    rest = {name: value for name, value in kwargs.items() if name not in data}

    def call(weights, args, kwargs):
        return _tensors(target(weights, *args, **kwargs, **rest))

    where = (0, *tree_map(lambda x: 0 if isinstance(x, torch.Tensor) else None, (args, data)))
    with sdpa_kernel(SDPBackend.MATH):
        y = torch.vmap(call, in_dims=where)(weights, args, data)
    expected = target.batched(weights, *args, **kwargs)
    assert_same(y, _tensors(expected))


@every_subject
def test_grad_of_a_function_is_backward(subject):
    _, target = prepare(subject)
    weights = random_weights(target, (3,))
    args, kwargs = stacked([subject.inputs(4) for _ in range(3)], (3,))
    found = torch.func.grad(lambda w: _number(target.batched(w, *args, **kwargs)))(weights)
    expected = torch.autograd.grad(_number(target.batched(weights, *args, **kwargs)), list(weights.values()))
    assert_same(list(found.values()), list(expected))


@pytest.mark.parametrize("contexts", [(), (2,)], ids=str)
@twice
def test_differentiates_twice(subject, contexts):
    _, target = prepare(subject)
    weights = random_weights(target, contexts)
    args, kwargs = stacked([subject.inputs(2) for _ in range(2)], (2,)) if contexts else subject.inputs(2)
    verb = target.batched if contexts else target

    def call(*values):
        output = verb(dict(zip(weights, values, strict=True)), *args, **kwargs)
        return _number(output)

    with sdpa_kernel(SDPBackend.MATH):
        assert torch.autograd.gradgradcheck(call, tuple(weights.values()), fast_mode=True, atol=1e-4)


@every_subject
def test_a_shared_call_equals_its_slices(subject):
    """Contexts do not mix: a slice of many is the call of a few."""
    _, target = prepare(subject)
    weights = random_weights(target, (4,))
    args, kwargs = stacked([subject.inputs(3) for _ in range(4)], (4,))
    some_args, some_kwargs = at((args, kwargs), slice(1, 3))
    some = target.batched({n: w[1:3] for n, w in weights.items()}, *some_args, **some_kwargs)
    assert_same(some, at(target.batched(weights, *args, **kwargs), slice(1, 3)))
