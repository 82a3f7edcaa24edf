"""Over layouts of any kind: every number is generated exactly once, at its own place."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdnn import heads, init
from hyperdnn.layout import ParamLayout, ParamSpec, SlotPlan

shapes = st.lists(st.integers(1, 4), max_size=4).map(tuple)  # () is a scalar


repeated = st.lists(st.lists(shapes, min_size=1, max_size=3), min_size=1, max_size=3).flatmap(
    lambda kinds: st.lists(st.sampled_from(kinds), min_size=1, max_size=5)
)
"""Shapes of the tensors of each layer; layers often repeat, as they do in networks."""


def _layout(layers):
    return ParamLayout(
        tuple(
            ParamSpec(name=f"block.{i}.tensor{j}", shape=shape)
            for i, layer in enumerate(layers)
            for j, shape in enumerate(layer)
        )
    )


contexts = st.lists(st.integers(0, 3), max_size=2).map(tuple)
fast = settings(max_examples=30, deadline=None)


def _bare(part, hidden, layout, *sizes, **options):
    """A head without normalisation and signs that starts at unit gain and no offset: its output map alone."""
    if part in (heads.ChunkedHead, heads.ComponentHead):
        options["signs"] = False
    return part(hidden, layout, *sizes, init=init.naive, normalize=False, dtype=torch.float64, **options)


def _number(linear, start):
    """Make each of a map's outputs, for each one-hot input, a number of its own."""
    count = linear.weight.numel()
    with torch.no_grad():
        linear.bias.zero_()
        linear.weight.copy_(torch.arange(start, start + count).view(linear.weight.shape[::-1]).mT)
    return start + count


@fast
@given(repeated, contexts, st.integers(0, 3))
def test_split_and_join_are_inverse(layers, contexts, unused):
    layout = _layout(layers)
    flat = torch.randn(*contexts, layout.numel + unused)
    weights = layout.split(flat, unused=unused)
    assert layout.check(weights) == contexts
    assert torch.equal(layout.join(weights), flat[..., : layout.numel])
    for spec, offset in zip(layout, layout.offsets, strict=True):
        assert torch.equal(weights[spec.name].reshape(*contexts, spec.numel), flat[..., offset : offset + spec.numel])


@fast
@given(repeated)
def test_a_layout_survives_json(layers):
    layout = _layout(layers)
    again = ParamLayout.from_json(layout.to_json())
    assert again == layout
    assert again.fingerprint == layout.fingerprint


@pytest.mark.parametrize("part", [heads.FullHead, heads.MultiHead])
@fast
@given(repeated)
def test_heads_without_slots_generate_the_flat_vector(part, layers):
    layout = _layout(layers)
    head = _bare(part, 1, layout)
    with torch.no_grad():
        head.start_at_(torch.arange(layout.numel, dtype=torch.float64))
    assert torch.equal(layout.join(head(torch.ones(1, dtype=torch.float64))), torch.arange(layout.numel).double())


@fast
@given(repeated, st.data())
def test_chunks_generate_the_flat_vector(layers, data):
    layout = _layout(layers)
    chunk = data.draw(st.sampled_from([1, layout.numel]) | st.integers(1, layout.numel))
    slots = math.ceil(layout.numel / chunk)
    head = _bare(heads.ChunkedHead, slots, layout, chunk)
    assert (head.slots, head.unused) == (slots, slots * chunk - layout.numel)
    _number(head.linear, 0)
    flat = layout.join(head(torch.eye(slots, dtype=torch.float64)))
    assert torch.equal(flat, torch.arange(layout.numel).double())


@pytest.mark.parametrize("component", ["layer", "row"])
@fast
@given(repeated)
def test_components_generate_each_number_once(component, layers):
    layout = _layout(layers)
    plan = {"layer": SlotPlan.by_layer, "row": SlotPlan.by_row}[component](layout)
    head = _bare(heads.ComponentHead, plan.slots, layout, component=component)
    used, slot, start = set(), 0, 0
    for linear, group in zip(head.linears, plan.groups, strict=True):
        start = _number(linear, start)
        for row in range(slot, slot + group.slots):
            used |= set(linear.weight[:, row].tolist())
        slot += group.slots
    flat = layout.join(head(torch.eye(plan.slots, dtype=torch.float64))).tolist()
    assert len(flat) == len(set(flat)) == layout.numel
    assert set(flat) == used


@pytest.mark.parametrize("component", ["chunk", "layer", "row"])
@fast
@given(repeated, st.integers(1, 7))
def test_a_slot_generates_what_its_plan_says(component, layers, chunk):
    layout = _layout(layers)
    if component == "chunk":
        plan = SlotPlan.by_chunk(layout, min(chunk, layout.numel))
        head = _bare(heads.ChunkedHead, 2, layout, min(chunk, layout.numel))
    else:
        plan = {"layer": SlotPlan.by_layer, "row": SlotPlan.by_row}[component](layout)
        head = _bare(heads.ComponentHead, 2, layout, component=component)
    features = torch.randn(plan.slots, 2, dtype=torch.float64)
    before = head(features)
    for slot in range(plan.slots):
        changed = features.clone()
        changed[slot] += 1
        after = head(changed)
        moved = {name: (after[name] != before[name]).flatten() for name in layout.names}
        pieces = plan.pieces(slot)
        for name, mask in moved.items():
            expected = torch.zeros_like(mask)
            expected[pieces.get(name, slice(0))] = True
            assert torch.equal(mask, expected), (slot, name)
