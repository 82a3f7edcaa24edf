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


def test_hooks_are_called_once_also_where_a_second_derivative_is_wanted():
    linear, _ = parts(None, affine=False)
    features = torch.randn(2, HIDDEN, dtype=torch.float64, requires_grad=True)
    leaves = [features, linear.weight, linear.bias]
    expected = gradients(plain(features, linear, None, None), leaves)
    for number, leaf in enumerate(leaves):
        leaf.register_hook(lambda gradient, factor=number + 2: factor * gradient)
    for create_graph in (False, True):
        weights = generate(features, linear, LAYOUT, reuse=Reuse())
        loss = sum((w * (i + 1) + w.square()).sum() for i, w in enumerate(weights.values()))
        found = torch.autograd.grad(loss, leaves, create_graph=create_graph)
        for number, (mine, other) in enumerate(zip(found, expected, strict=True)):
            torch.testing.assert_close(mine, (number + 2) * other)


def test_a_map_that_is_more_than_its_parameters_is_called():
    linear, _ = parts(None, affine=False)
    features = torch.randn(2, HIDDEN, dtype=torch.float64)
    linear.forward = lambda rows: rows.new_full((*rows.shape[:-1], LAYOUT.numel), 3.0)
    assert (generate(features, linear, LAYOUT, reuse=Reuse())["w0"] == 3).all()


def test_backward_hooks_of_the_map_are_called():
    linear, _ = parts(None, affine=False)
    features = torch.randn(2, HIDDEN, dtype=torch.float64, requires_grad=True)
    seen = []
    linear.register_full_backward_pre_hook(lambda module, gradients: seen.append(gradients))
    generate(features, linear, LAYOUT, reuse=Reuse())["w0"].sum().backward()
    assert len(seen) == 1


def test_what_is_generated_together_cannot_be_written_to_one_by_one():
    linear, _ = parts(None, affine=False)
    weights = generate(torch.randn(2, HIDDEN, dtype=torch.float64), linear, LAYOUT, reuse=Reuse())
    with pytest.raises(RuntimeError, match="modified inplace"):
        weights["w0"].mul_(2)


class TestWeightsInMemoryThatIsUsedAgain:
    layout = ParamLayout((ParamSpec(name="a", shape=(600, 300)), ParamSpec(name="b", shape=(400, 500))))

    def test_weights_that_somebody_keeps_are_never_overwritten(self):
        linear, reuse = nn.Linear(HIDDEN, self.layout.numel), Reuse()
        first = generate(torch.ones(HIDDEN), linear, self.layout, reuse=reuse)
        kept, copies = first["b"].detach()[5:], {name: w.detach().clone() for name, w in first.items()}
        del first
        second = generate(torch.zeros(HIDDEN), linear, self.layout, reuse=reuse)
        assert torch.equal(kept, copies["b"][5:])
        assert torch.equal(second["a"].flatten(), linear.bias[: 600 * 300])

    def test_a_graph_keeps_its_weights(self):
        linear, reuse = nn.Linear(HIDDEN, self.layout.numel), Reuse()
        outputs = []
        for value in (1.0, 2.0):
            weights = generate(torch.full((HIDDEN,), value), linear, self.layout, reuse=reuse)
            outputs.append((weights["a"] @ torch.ones(300)).square().sum())
            del weights
        ours = [torch.autograd.grad(output, linear.weight)[0] for output in outputs]
        for value, mine in zip((1.0, 2.0), ours, strict=True):
            weights = self.layout.split(linear(torch.full((HIDDEN,), value)))
            (theirs,) = torch.autograd.grad((weights["a"] @ torch.ones(300)).square().sum(), linear.weight)
            torch.testing.assert_close(mine, theirs)

    def test_the_memory_is_used_again_and_given_back(self):
        linear, reuse = nn.Linear(HIDDEN, self.layout.numel), Reuse()
        where = []
        for _ in range(3):
            weights = generate(torch.ones(HIDDEN), linear, self.layout, reuse=reuse)
            where.append(weights["a"].data_ptr())
            sum(w.sum() for w in weights.values()).backward()
            del weights
            linear.zero_grad()
        assert len(set(where)) == 1
        with torch.no_grad():
            generate(torch.ones(HIDDEN), linear, self.layout, reuse=reuse)
        assert not reuse._held
