"""What every encoder, body and head keeps to."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from hyperdnn import bodies, encoders, heads, protocols
from hyperdnn._torch import tree_leaves, tree_map
from hyperdnn.errors import ConfigError

from .. import scripts
from .cases import BODIES, CONTEXTS, ENCODERS, HEADS, LAYOUT, NO_PARTS, PARTS, classes, names

every_part = pytest.mark.parametrize("case", PARTS, ids=names(PARTS))
with_factories = [case for case in PARTS if case.factories]
twice_differentiable = [case for case in PARTS if case.twice]


def _expected_shapes(case, contexts):
    if case.output is not None:
        return contexts + case.output
    return {spec.name: contexts + spec.shape for spec in LAYOUT}


def _loss(output):
    """Weighs every number differently, so that no gradient cancels."""
    leaves = tree_leaves(output)
    return sum((torch.linspace(0.5, 2, leaf.numel()).view_as(leaf) * leaf.square()).sum() for leaf in leaves)


@pytest.mark.parametrize(
    ("folder", "cases"), [(encoders, ENCODERS), (bodies, BODIES), (heads, HEADS)], ids=["encoders", "bodies", "heads"]
)
def test_every_public_part_has_a_case(folder, cases):
    assert classes(folder) - NO_PARTS == {case.part for case in cases}


@pytest.mark.parametrize("contexts", CONTEXTS, ids=str)
@every_part
def test_leading_dimensions_in_are_leading_dimensions_out(case, contexts):
    output = case.call(case.build(), case.example(contexts, torch.float32))
    assert tree_map(lambda leaf: tuple(leaf.shape), output) == _expected_shapes(case, contexts)


@every_part
def test_contexts_do_not_mix(case):
    part, x = case.build().eval(), case.example((2, 3), torch.float32)  # in training a spectral norm moves
    together = case.call(part, x)
    for i, j in ((0, 0), (1, 2)):
        torch.testing.assert_close(
            tree_map(lambda leaf, at=(i, j): leaf[at], together),
            case.call(part, tree_map(lambda leaf, at=(i, j): leaf[at], x)),
        )


@every_part
def test_gradients_reach_every_trained_number(case):
    part, x = case.build(), case.example((4,), torch.float32)
    inputs = [leaf.requires_grad_() for leaf in tree_leaves(x) if leaf.is_floating_point()]
    groups = [{"params": list(part.parameters())}, {"params": inputs, "lr": 0.0}]  # a moved one might not be allowed
    optimizer = torch.optim.SGD(groups, lr=0.1)
    _loss(case.call(part, x)).backward()  # a zero gain lets no gradient through: one step opens it
    optimizer.step()
    optimizer.zero_grad()
    _loss(case.call(part, x)).backward()
    trained = {name: p for name, p in part.named_parameters() if p.requires_grad}
    assert [name for name, p in trained.items() if p.grad is None or not p.grad.any()] == []
    assert all(given.grad.any() for given in inputs)


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda part: pickle.loads(pickle.dumps(part))], ids=["copy", "pickle"]
)
@every_part
def test_a_copy_is_equal_and_independent(case, again):
    part, x = case.build(), case.example((4,), torch.float32)
    if again is not copy.deepcopy and not case.pickles:
        with pytest.raises(RuntimeError, match="only supported through state_dict"):
            again(part)
        return
    twin = again(part)
    torch.testing.assert_close(case.call(twin, x), case.call(part, x), rtol=0, atol=0)
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in part.parameters()}


@every_part
def test_the_state_dict_holds_everything(case):
    part, other, x = case.build(), case.build(), case.example((4,), torch.float32)
    other.load_state_dict(part.state_dict(), strict=True)
    torch.testing.assert_close(case.call(other, x), case.call(part, x), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@every_part
def test_the_type_follows_the_module(case, dtype):
    output = case.call(case.build().to(dtype), case.example((4,), dtype))
    assert {leaf.dtype for leaf in tree_leaves(output)} == {dtype}


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", with_factories, ids=names(with_factories))
def test_the_type_follows_the_factory(case, dtype):
    part = case.build(dtype=dtype)
    assert {p.dtype for p in part.parameters()} <= {dtype}
    assert {leaf.dtype for leaf in tree_leaves(case.call(part, case.example((4,), dtype)))} == {dtype}


@pytest.mark.parametrize("case", with_factories, ids=names(with_factories))
def test_the_device_follows_the_factory(case):
    part = case.build(device=torch.device("meta"))
    assert all(tensor.is_meta for tensor in [*part.parameters(), *part.buffers()])


@pytest.mark.parametrize("case", ENCODERS, ids=names(ENCODERS))
def test_encoders_declare_their_width(case):
    encoder = case.build()
    if case.part is encoders.Slots:  # comes after an encoder, and says what it adds
        assert case.output == (encoder.slots, 5 + encoder.features)
    else:
        assert isinstance(encoder, protocols.Encoder)
        assert case.output[-1] == encoder.features
        added = getattr(encoder, "adds_contexts", 0) + getattr(encoder, "tokens", False)
        assert len(case.output) == 1 + added


@pytest.mark.parametrize("case", BODIES, ids=names(BODIES))
def test_bodies_declare_their_widths_and_whether_they_mix_slots(case):
    body = case.build().eval()
    assert isinstance(body, protocols.Body)
    assert (body.features, body.hidden) == (5, case.output[-1])
    assert getattr(body, "cross", False) == case.cross
    tokens = torch.randn(2, 4, getattr(body, "token_features", 0))

    def run(rows):
        return body(rows, tokens) if case.cross else body(rows)

    rows = torch.randn(2, 3, 5)
    if getattr(body, "mixes_slots", False):
        with pytest.raises(ConfigError, match=f"{case.part.__name__} mixes slots"):
            run(rows[1, 2])
        rows = rows.requires_grad_()
        out = run(rows)[1, 2]
        (out * torch.arange(len(out))).sum().backward()  # the plain sum is constant behind a layer norm
        assert rows.grad[1, 1].any()
    else:
        torch.testing.assert_close(run(rows)[1, 2], run(rows[1, 2]))
    if getattr(body, "makes_slots", False):
        assert case.output[0] == body.slots


@pytest.mark.parametrize("case", HEADS, ids=names(HEADS))
def test_heads_generate_exactly_their_layout_in_its_order(case):
    head = case.build()
    assert isinstance(head, protocols.Head)
    assert head.layout is LAYOUT
    weights = head(case.example((2, 3), torch.float32))
    assert tuple(weights) == LAYOUT.names
    assert LAYOUT.check(weights) == (2, 3)


@pytest.mark.parametrize("case", twice_differentiable, ids=names(twice_differentiable))
def test_differentiates_twice(case):
    part, x = case.build().double().eval(), case.example((2,), torch.float64)
    for p in part.parameters():
        torch.nn.init.normal_(p, std=0.5)  # away from the zero gains
    leaves = tree_leaves(x)
    floating = [leaf.requires_grad_() for leaf in leaves if leaf.is_floating_point()]
    trained = {name: p for name, p in part.named_parameters() if p.requires_grad}

    def flat(*tensors):
        moved = iter(tensors)
        inputs = iter([next(moved) if leaf.is_floating_point() else leaf for leaf in leaves])
        again = tree_map(lambda _: next(inputs), x)
        made = torch.func.functional_call(
            part, dict(zip(trained, moved, strict=True)), again if case.cross else (again,)
        )
        return torch.cat([leaf.flatten() for leaf in tree_leaves(made) if leaf.is_floating_point()])

    given = (*floating, *trained.values())
    with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
        assert torch.autograd.gradcheck(flat, given, fast_mode=True)
        assert torch.autograd.gradgradcheck(
            lambda *tensors: flat(*tensors).sin(), given, fast_mode=True
        )  # never linear


@pytest.fixture(scope="module")
def complaints():
    return scripts.complaints(Path(__file__).with_name("compiled.py"), timeout=300)


@every_part
def test_compiles_as_one_graph(case, complaints):
    assert complaints[str(case)] is None
