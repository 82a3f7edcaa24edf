from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hyperdnn import ParamLayout, ParamSpec
from hyperdnn.errors import LayoutError
from hyperdnn.layout import Run, SlotGroup, SlotPlan

shapes = st.lists(st.integers(1, 4), max_size=3).map(tuple)
layers = st.lists(st.lists(shapes, min_size=1, max_size=3), min_size=1, max_size=5)


def build(layers: list[list[tuple[int, ...]]]) -> ParamLayout:
    """Layers of one to three tensors of any shapes, scalars included."""
    return ParamLayout(
        tuple(ParamSpec(name=f"{i}.{j}", shape=s) for i, layer in enumerate(layers) for j, s in enumerate(layer))
    )


def covered(plan: SlotPlan) -> Counter[tuple[str, int]]:
    """How often each number of each tensor is generated."""
    found: Counter[tuple[str, int]] = Counter()
    for slot in range(plan.slots):
        for name, piece in plan.pieces(slot).items():
            found.update((name, i) for i in range(piece.start, piece.stop))
    return found


def once(layout: ParamLayout) -> Counter[tuple[str, int]]:
    return Counter((spec.name, i) for spec in layout for i in range(spec.numel))


@given(layers=layers, size=st.integers(1, 40))
def test_chunks_cover_every_number_once(layers: list[list[tuple[int, ...]]], size: int) -> None:
    layout = build(layers)
    size = min(size, layout.numel)
    plan = SlotPlan.by_chunk(layout, size)
    assert covered(plan) == once(layout)
    assert plan.slots * size == layout.numel + plan.unused
    assert 0 <= plan.unused < size


@given(layers=layers)
def test_layers_and_rows_cover_every_number_once(layers: list[list[tuple[int, ...]]]) -> None:
    layout = build(layers)
    for plan in (SlotPlan.by_layer(layout), SlotPlan.by_row(layout)):
        assert covered(plan) == once(layout)
        assert plan.unused == 0


@given(layers=layers)
def test_slots_of_a_group_have_its_size(layers: list[list[tuple[int, ...]]]) -> None:
    layout = build(layers)
    for plan in (SlotPlan.by_layer(layout), SlotPlan.by_row(layout)):
        sizes = [group.size for group in plan.groups for _ in range(group.slots)]
        pieces = [sum(p.stop - p.start for p in plan.pieces(i).values()) for i in range(plan.slots)]
        assert pieces == sizes


def test_chunks_run_over_the_borders_of_tensors() -> None:
    plan = SlotPlan.by_chunk(ParamLayout.of(nn.Linear(3, 2)), 5)
    assert plan.groups == (SlotGroup(5, 2),)
    assert plan.unused == 2
    assert plan.pieces(0) == {"weight": slice(0, 5)}
    assert plan.pieces(1) == {"weight": slice(5, 6), "bias": slice(0, 2)}


def test_layers_of_equal_shapes_form_one_group() -> None:
    layout = ParamLayout.of(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2), nn.Linear(3, 3)))
    first, second = SlotPlan.by_layer(layout).groups
    assert (first.size, first.slots, [run.names for run in first.runs]) == (
        12,
        2,
        [("0.weight", "0.bias"), ("2.weight", "2.bias")],
    )
    assert second == SlotGroup(8, 1, (Run(("1.weight", "1.bias"), (6, 2), 1),))
    assert SlotPlan.by_layer(layout).pieces(1) == {"2.weight": slice(0, 9), "2.bias": slice(0, 3)}


def test_a_row_is_an_output_unit_with_its_bias() -> None:
    layout = ParamLayout.of(nn.Sequential(nn.Conv2d(2, 3, 2), nn.LayerNorm(4), nn.Linear(8, 5)))
    plan = SlotPlan.by_row(layout)
    assert plan.slots == 3 + 1 + 5
    assert [group.size for group in plan.groups] == [9, 8]
    assert plan.pieces(2) == {"0.weight": slice(16, 24), "0.bias": slice(2, 3)}
    assert plan.pieces(3) == {"2.weight": slice(0, 8), "2.bias": slice(0, 1)}
    assert plan.pieces(8) == {"1.weight": slice(0, 4), "1.bias": slice(0, 4)}


def test_a_vector_of_other_length_than_its_matrix_is_a_slot_of_its_own() -> None:
    plan = SlotPlan.by_row(ParamLayout.of(nn.ConvTranspose1d(3, 5, 2)))
    assert plan.slots == 3 + 1
    assert plan.pieces(3) == {"bias": slice(0, 5)}


def test_recurrent_rows_join_both_maps_and_both_biases() -> None:
    plan = SlotPlan.by_row(ParamLayout.of(nn.GRU(3, 4)))
    assert plan.groups[0].slots == 12
    assert plan.pieces(1) == {
        "weight_ih_l0": slice(3, 6),
        "weight_hh_l0": slice(4, 8),
        "bias_ih_l0": slice(1, 2),
        "bias_hh_l0": slice(1, 2),
    }


@pytest.mark.parametrize("slot", [-1, 2])
def test_there_is_no_slot_beyond_the_last(slot: int) -> None:
    with pytest.raises(LayoutError, match=f"slot {slot}: expected 0 to 1"):
        SlotPlan.by_chunk(ParamLayout.of(nn.Linear(3, 2)), 5).pieces(slot)


@pytest.mark.parametrize("size", [-1, 0, 9])
def test_a_chunk_is_between_one_number_and_all(size: int) -> None:
    with pytest.raises(LayoutError, match=f"chunk size {size}: expected between 1 and the 8"):
        SlotPlan.by_chunk(ParamLayout.of(nn.Linear(3, 2)), size)
