import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hyperdnn.heads._generate import generate
from hyperdnn.heads._reuse import Reuse
from hyperdnn.layout import ParamLayout, ParamSpec
from hyperdnn.nn import TensorAffine

HIDDEN = 3
SHAPES = ((2, 3), (), (4,), (1, 2, 2))
LAYOUT = ParamLayout(tuple(ParamSpec(name=f"w{i}", shape=shape) for i, shape in enumerate(SHAPES)))
MEANS, STDS = (0.5, -1.0, 0.0, 2.0), (1.5, 0.0, 0.3, 1.0)


def parts(slots: int | None, *, affine: bool, dtype: torch.dtype = torch.float64) -> tuple[nn.Linear, TensorAffine]:
    size = LAYOUT.numel if slots is None else -(-LAYOUT.numel // slots)
    scale = TensorAffine(MEANS, STDS, dtype=dtype) if affine else None
    return nn.Linear(HIDDEN, size, dtype=dtype), scale


def plain(features, linear, affine, slots):
    flat = linear(features)
    if slots is not None:
        flat = flat.flatten(-2)
    weights = LAYOUT.split(flat, unused=flat.shape[-1] - LAYOUT.numel)
    return weights if affine is None else affine(weights)


def gradients(weights, leaves):
    loss = sum((w * (i + 1) + w.square()).sum() for i, w in enumerate(weights.values()))
    return torch.autograd.grad(loss, leaves)


@settings(max_examples=40, deadline=None)
@given(
    contexts=st.sampled_from([(), (1,), (0,), (3,), (2, 2)]),
    slots=st.sampled_from([None, 1, 2, 4, 5]),
    affine=st.booleans(),
)
def test_equals_plain_operations_in_value_and_gradient(contexts, slots, affine):
    linear, scale = parts(slots, affine=affine)
    features = torch.randn(*contexts, *([] if slots is None else [slots]), HIDDEN, dtype=torch.float64)
    features.requires_grad_()
    leaves = [features, *linear.parameters(), *([] if scale is None else scale.parameters())]
    ours = generate(features, linear, LAYOUT, affine=scale, slotted=slots is not None, reuse=Reuse())
    theirs = plain(features, linear, scale, slots)
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, rtol=1e-12, atol=1e-12)
    for mine, other in zip(gradients(ours, leaves), gradients(theirs, leaves), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("slots", [None, 4])
def test_second_derivatives(slots, affine):
    linear, scale = parts(slots, affine=affine)
    features = torch.randn(2, *([] if slots is None else [slots]), HIDDEN, dtype=torch.float64, requires_grad=True)

    def call(features, *parameters):
        for target, value in zip(("weight", "bias"), parameters, strict=False):
            linear._parameters[target] = value
        if scale is not None:
            scale._parameters["gain"] = parameters[2]
        return tuple(
            generate(features, linear, LAYOUT, affine=scale, slotted=slots is not None, reuse=Reuse()).values()
        )

    inputs = (features, *linear.parameters(), *([] if scale is None else scale.parameters()))
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs)


def test_frozen_parts_and_unused_tensors_get_no_gradient():
    linear, scale = parts(4, affine=True)
    linear.weight.requires_grad_(False)
    scale.gain.requires_grad_(False)
    features = torch.randn(4, HIDDEN, dtype=torch.float64, requires_grad=True)
    weights = generate(features, linear, LAYOUT, affine=scale, slotted=True, reuse=Reuse())
    weights["w2"].sum().backward()
    assert linear.weight.grad is None
    assert scale.gain.grad is None
    reference = plain(features, linear, scale, 4)["w2"].sum()
    torch.testing.assert_close(features.grad, torch.autograd.grad(reference, features)[0])


def test_transforms_of_functions():
    linear, scale = parts(4, affine=True)

    def loss(features):
        return sum(
            w.pow(3).sum()
            for w in generate(features, linear, LAYOUT, affine=scale, slotted=True, reuse=Reuse()).values()
        )

    def reference(features):
        return sum(w.pow(3).sum() for w in plain(features, linear, scale, 4).values())

    features = torch.randn(5, 4, HIDDEN, dtype=torch.float64)
    for transform in (torch.func.grad, torch.func.hessian, torch.func.jacfwd):
        torch.testing.assert_close(torch.vmap(transform(loss))(features), torch.vmap(transform(reference))(features))


def test_autocast_computes_in_the_lower_precision():
    linear, _ = parts(None, affine=False, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        weights = generate(torch.randn(2, HIDDEN), linear, LAYOUT, reuse=Reuse())
    assert weights["w0"].dtype == torch.bfloat16
    sum(w.float().sum() for w in weights.values()).backward()
    assert linear.weight.grad.dtype == torch.float32


class TestReuse:
    """With tensors large enough to be handed out again."""

    def build(self):
        layout = ParamLayout((ParamSpec(name="w", shape=(600, 500)),))
        return nn.Linear(HIDDEN, layout.numel), layout, Reuse()

    def step(self, linear, layout, reuse, factor):
        features = torch.full((2, HIDDEN), float(factor))
        generate(features, linear, layout, reuse=reuse)["w"].sum().backward()

    def test_memory_is_used_again_once_the_gradient_is_gone(self):
        linear, layout, reuse = self.build()
        self.step(linear, layout, reuse, 1)
        first = linear.weight.grad.data_ptr()
        linear.zero_grad()
        self.step(linear, layout, reuse, 2)
        assert linear.weight.grad.data_ptr() == first
        assert linear.weight.grad.unique().tolist() == [4]

    @pytest.mark.parametrize("keep", [lambda g: g, lambda g: g[5:7], lambda g: g.numpy(), lambda g: g.detach()])
    def test_a_gradient_that_somebody_keeps_is_never_overwritten(self, keep):
        linear, layout, reuse = self.build()
        self.step(linear, layout, reuse, 1)
        kept = keep(linear.weight.grad)
        linear.zero_grad()
        self.step(linear, layout, reuse, 5)
        assert (kept == 2).all()
        assert (linear.weight.grad == 10).all()

    def test_gradients_accumulate(self):
        linear, layout, reuse = self.build()
        for factor in (1, 2, 4):
            self.step(linear, layout, reuse, factor)
        assert (linear.weight.grad == 14).all()

    def test_two_backwards_of_one_graph(self):
        linear, layout, reuse = self.build()
        loss = generate(torch.ones(2, HIDDEN), linear, layout, reuse=reuse)["w"].sum()
        first = torch.autograd.grad(loss, linear.weight, retain_graph=True)[0]
        second = torch.autograd.grad(3 * loss, linear.weight)[0]
        assert (first == 2).all()
        assert (second == 6).all()

    @pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
    def test_copies_hold_nothing(self, again):
        linear, layout, reuse = self.build()
        self.step(linear, layout, reuse, 1)
        assert reuse._held
        assert not again(reuse)._held

    def test_type_and_shape_may_change(self):
        reuse, like = Reuse(), torch.empty(0)
        first = reuse.empty("a", (600, 500), like).data_ptr()
        assert reuse.empty("a", (500, 600), like).data_ptr() == first
        assert reuse.empty("a", (600, 501), like).shape == (600, 501)
        assert reuse.empty("a", (600, 500), like.double()).dtype == torch.float64
