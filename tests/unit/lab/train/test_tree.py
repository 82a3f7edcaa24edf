import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hyperdnn.errors import CheckpointError
from hyperdnn.lab.data import Batch
from hyperdnn.lab.losses import Memory
from hyperdnn.lab.train._tree import flatten, unflatten

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers() | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


def _again(value, device="cpu"):
    tree, tensors = flatten(value)
    return unflatten(json.loads(json.dumps(tree, allow_nan=False)), tensors, device)


@settings(max_examples=50, deadline=None)
@given(PLAIN)
def test_plain_values_come_back_as_they_were(value):
    again = _again(value)
    assert again == value
    assert repr(again) == repr(value)  # also 1 and 1.0 and True


def test_numbers_that_json_lacks_come_back():
    again = _again([torch.nan, torch.inf, -torch.inf])
    assert repr(again) == "[nan, inf, -inf]"


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
def test_tensors_come_back_to_the_bit(shape, dtype):
    tensor = (torch.randn(shape) * 100).to(dtype)
    again = _again({"a": [tensor]})["a"][0]
    assert again.dtype == dtype
    assert again.equal(tensor)


def test_a_tensor_in_two_places_is_kept_once_and_views_are_cut_loose():
    whole = torch.randn(6, 4)
    tree, tensors = flatten({"a": whole, "b": whole, "rows": whole[2:4], "turned": whole.T, "same": whole.view(-1)})
    assert set(tensors) == {"a", "rows", "turned", "same"}
    storages = {tensor.untyped_storage().data_ptr() for tensor in tensors.values()}
    assert len(storages) == 4
    assert all(t.untyped_storage().nbytes() == t.numel() * 4 for t in tensors.values())
    again = unflatten(tree, tensors, "cpu")
    assert again["a"] is again["b"]
    assert again["turned"].equal(whole.T)


def test_keys_with_dots_keep_their_tensors_apart():
    value = {"a.b": torch.zeros(1), "a": {"b": torch.ones(1)}, 1: torch.full((1,), 2.0), "1": torch.full((1,), 3.0)}
    again = _again(value)
    assert [again["a.b"].item(), again["a"]["b"].item(), again[1].item(), again["1"].item()] == [0, 1, 2, 3]


def test_what_a_recipe_remembers_comes_back():
    weights = {"w": torch.randn(2, 3)}
    memory = Memory(contexts=torch.arange(2), weights=weights, importance={"w": torch.rand(2, 3)})
    batch = Batch(context=torch.tensor(1), inputs=torch.randn(4, 2), targets=torch.arange(4))
    again, other = _again((memory, batch))
    assert again.weights["w"].equal(weights["w"])
    assert again.importance["w"].equal(memory.importance["w"])
    assert len(again[torch.tensor([1])]) == 1
    assert other.inputs.equal(batch.inputs)
    assert len(_again(Memory(contexts=torch.arange(0), weights={"w": torch.zeros(0, 3)}))) == 0


def test_what_was_not_on_the_cpu_goes_where_training_is():
    tree, tensors = flatten([torch.ones(2)])
    (moved,) = unflatten([{"device tensor": name} for name in tensors], tensors, "meta")
    (stayed,) = unflatten(tree, tensors, "meta")
    assert (moved.device.type, stayed.device.type) == ("meta", "cpu")


def test_an_optimizers_state_comes_back():
    layer = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, fused=True)
    layer(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    again = _again(optimizer.state_dict())
    assert again["param_groups"] == optimizer.state_dict()["param_groups"]
    assert set(again["state"]) == {0, 1}
    assert again["state"][1]["exp_avg"].equal(optimizer.state_dict()["state"][1]["exp_avg"])


@pytest.mark.parametrize(
    "value", [nn.Linear(2, 2), {1, 2}, object(), b"bytes", torch.Generator(), torch.eye(2).to_sparse()]
)
def test_what_cannot_be_kept_is_named_with_its_place(value):
    with pytest.raises(
        CheckpointError, match=r"'memory\.teacher\.0' is a \w+, which no checkpoint can hold.*state_dict"
    ):
        flatten({"memory": {"teacher": [value]}})


@pytest.mark.parametrize(
    "tree",
    [
        {"tensor": "absent"},
        {"tensor": "a", "more": 1},
        {"class": "Popen", "fields": {}},
        {"class": "Memory", "fields": {}, "more": 1},
        {"float": "1"},
        {"dict": {}},
        {},
        {"unknown": []},
    ],
)
def test_a_tree_that_was_never_written_makes_nothing(tree):
    with pytest.raises(CheckpointError, match="expected a value of a checkpoint"):
        unflatten([tree], {"a": torch.ones(1)}, "cpu")
