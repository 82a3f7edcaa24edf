import json
import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from hyperdnn import ParamLayout, ParamSpec
from hyperdnn.errors import LayoutError


def make(*shapes: tuple[int, ...], **changes: object) -> ParamLayout:
    return ParamLayout(tuple(ParamSpec(name=f"w{i}", shape=shape, **changes) for i, shape in enumerate(shapes)))


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


shapes = st.lists(st.lists(st.integers(0, 4), max_size=3).map(tuple), min_size=1, max_size=6)
contexts = st.lists(st.integers(0, 3), max_size=2).map(tuple)


def test_of_reads_names_shapes_and_moments_in_order() -> None:
    module = net().double()
    layout = ParamLayout.of(module)
    assert layout.names == ("0.weight", "0.bias", "2.weight", "2.bias") == tuple(module.state_dict())
    for spec, (name, tensor) in zip(layout, module.named_parameters(), strict=True):
        assert (spec.name, spec.shape, spec.dtype) == (name, tuple(tensor.shape), torch.float64)
        assert spec.init_mean == pytest.approx(tensor.mean().item())
        assert spec.init_std == pytest.approx(tensor.std(correction=0).item())


def test_sizes_offsets_and_numel() -> None:
    layout = make((3, 4), (), (0, 2), (5,))
    assert layout.sizes == (12, 1, 0, 5)
    assert layout.offsets == (0, 12, 13, 13)
    assert layout.numel == 18
    assert len(layout) == 4


def test_lookup_by_name() -> None:
    layout = make((3, 4), (5,))
    assert layout["w1"].shape == (5,)
    assert "w1" in layout
    assert "w2" not in layout
    with pytest.raises(LayoutError, match=r"'w_1' is not in the layout\. Did you mean 'w1'\?"):
        layout["w_1"]


def test_tied_parameters_are_one_tensor_with_aliases() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3, bias=False))
    module[1].weight = module[2].weight = module[0].weight
    layout = ParamLayout.of(module)
    assert layout.names == ("0.weight", "0.bias", "1.bias")
    assert layout["0.weight"].aliases == ("1.weight", "2.weight")
    assert layout.numel == sum(p.numel() for p in module.parameters())


def test_a_layer_used_twice_is_tied_to_itself() -> None:
    shared = nn.Linear(3, 3)
    layout = ParamLayout.of(nn.Sequential(shared, nn.ReLU(), shared))
    assert [spec.names for spec in layout] == [("0.weight", "2.weight"), ("0.bias", "2.bias")]


def test_the_layers_of_a_spec_are_its_class_and_bases_most_specific_first() -> None:
    class MyLinear(nn.Linear):
        pass

    first, second = ParamLayout.of(MyLinear(1, 1, bias=False))["weight"].layer
    assert first.endswith("MyLinear")
    assert second == "torch.nn.modules.linear.Linear"


@pytest.mark.parametrize(
    ("layer", "moments"),
    [
        (nn.Linear(12, 5), {"weight": (0.0, 1 / 6), "bias": (0.0, 1 / 6)}),
        (nn.Embedding(4, 3), {"weight": (0.0, 1.0)}),
        (nn.LayerNorm(4), {"weight": (1.0, 0.0), "bias": (0.0, 0.0)}),
    ],
    ids=repr,
)
def test_on_the_meta_device_moments_are_those_of_torchs_rule(
    layer: nn.Module, moments: dict[str, tuple[float, float]]
) -> None:
    layout = ParamLayout.of(layer.to("meta"))
    assert {s.name: (s.init_mean, pytest.approx(s.init_std)) for s in layout} == moments


def test_the_meta_rule_is_what_torch_does() -> None:
    torch.manual_seed(0)
    measured, ruled = ParamLayout.of(nn.Linear(400, 300)), ParamLayout.of(nn.Linear(400, 300, device="meta"))
    assert measured["weight"].init_std == pytest.approx(ruled["weight"].init_std, rel=0.02)


def test_a_tensor_without_numbers_has_no_moments() -> None:
    assert ParamLayout.of(nn.ParameterList([torch.zeros(0, 3)]))["0"].init_std == 0.0


def test_an_empty_layout_and_a_name_given_twice_are_refused() -> None:
    with pytest.raises(LayoutError, match="the layout is empty"):
        ParamLayout(())
    with pytest.raises(LayoutError, match="'a' stands in the layout twice"):
        ParamLayout((ParamSpec(name="a", shape=(1,)), ParamSpec(name="b", shape=(1,), aliases=("a",))))


@given(shapes=shapes, contexts=contexts, unused=st.integers(0, 3))
def test_split_then_join_is_the_identity(shapes: list[tuple[int, ...]], contexts: tuple[int, ...], unused: int) -> None:
    layout = make(*shapes)
    numbers = layout.numel + unused
    flat = torch.arange(math.prod(contexts) * numbers).double().reshape(*contexts, numbers)
    weights = layout.split(flat, unused=unused)
    assert [tuple(w.shape) for w in weights.values()] == [contexts + shape for shape in shapes]
    assert torch.equal(layout.join(weights), flat[..., : layout.numel])


@given(shapes=shapes, contexts=contexts)
def test_check_returns_the_context_dimensions(shapes: list[tuple[int, ...]], contexts: tuple[int, ...]) -> None:
    weights = {f"w{i}": torch.zeros(contexts + shape) for i, shape in enumerate(shapes)}
    assert make(*shapes).check(weights) == contexts


@pytest.mark.parametrize("flat", [torch.zeros(()), torch.zeros(16), torch.zeros(18), torch.zeros(17, 2)])
def test_split_takes_exactly_its_numbers(flat: Tensor) -> None:
    with pytest.raises(LayoutError, match=r"expected \(\*contexts, 17\) numbers to split, got"):
        make((3, 4), (5,)).split(flat)


def test_split_cuts_once_so_that_its_backward_is_one_concatenation() -> None:
    flat = torch.zeros(17, requires_grad=True)
    weights = make((3, 4), (5,)).split(flat)
    cuts = {w.grad_fn.next_functions[0][0] for w in weights.values()}
    assert [type(cut).__name__ for cut in cuts] == ["SplitWithSizesBackward0"]
    sum(w.sum() * (i + 1) for i, w in enumerate(weights.values())).backward()
    assert torch.equal(flat.grad, torch.cat([torch.ones(12), 2 * torch.ones(5)]))


def test_json_and_back() -> None:
    layout = ParamLayout.of(net())
    again = ParamLayout.from_json(json.loads(json.dumps(layout.to_json())))
    assert again == layout
    assert again.fingerprint == layout.fingerprint


def test_the_fingerprint_is_stable() -> None:
    """Written into saved models: it must never change."""
    layout = ParamLayout((ParamSpec(name="a", shape=(2, 3), aliases=("b",)), ParamSpec(name="c", shape=())))
    assert layout.fingerprint == "18830e868b68060f128c8268f90f8de9a32473bff9aec10d50635b0e04515939"


def test_the_fingerprint_is_of_names_shapes_and_ties_only() -> None:
    layout = make((3, 4))
    assert layout.fingerprint == make((3, 4), init_std=9.0, kind="linear", dtype=torch.float64).fingerprint
    others = [make((4, 3)), make((3, 4), aliases=("x",)), make((3, 4), (1,))]
    others += [ParamLayout((ParamSpec(name="v0", shape=(3, 4)),))]
    assert layout.fingerprint not in {other.fingerprint for other in others}


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (make((3, 4), (5,)), None),
        (make((3, 4), (5,), init_std=3.0), None),
        (make((3, 4), (6,)), r"'w1' is \(5,\), the other's is \(6,\)"),
        (make((3, 4)), "'w1' is not in the other"),
        (make((3, 4), (5,), (6,)), "'w2' is only in the other"),
        (ParamLayout((ParamSpec(name="v", shape=(3, 4)),)), "'w0' stands where the other has 'v'"),
        (ParamLayout((ParamSpec(name="w0", shape=(3, 4), aliases=("t",)),)), r"'w0' is tied to nothing, .* \('t',\)"),
    ],
)
def test_the_first_difference_in_words(other: ParamLayout, words: str | None) -> None:
    difference = make((3, 4), (5,)).difference(other)
    if words is None:
        assert difference is None
    else:
        assert re.search(words, str(difference))


@pytest.mark.usefixtures("as_a_user_runs_it")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([1.0], "'0.bias': expected a tensor, got list"),
        (torch.zeros(4, dtype=torch.int64), "'0.bias': expected real floating-point numbers, got torch.int64"),
        (torch.zeros(4).to_sparse(), "'0.bias': expected a dense tensor, got torch.sparse_coo"),
        (torch.zeros(4, device="meta"), "'0.bias' is on meta, other weights on cpu: move them to one device"),
    ],
)
def test_what_is_no_weight_is_named(given, words):
    layout = ParamLayout.of(nn.Sequential(nn.Linear(3, 4)))
    with pytest.raises(LayoutError, match=words):
        layout.check({"0.weight": torch.zeros(4, 3), "0.bias": given})


@pytest.mark.usefixtures("as_a_user_runs_it")
def test_what_is_no_dict_of_weights_or_no_list_of_specs():
    with pytest.raises(LayoutError, match="weights are a dict of tensors by name, got list"):
        ParamLayout.of(nn.Linear(3, 4)).check([torch.zeros(4, 3)])
    with pytest.raises(LayoutError, match="a layout is a list of specs, got dict"):
        ParamLayout.from_json({})
