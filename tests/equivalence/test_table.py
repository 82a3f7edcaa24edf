"""Rows of a table that a step does not read stay bit-equal, whatever the optimiser remembers."""

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import encoders

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1),
    "adam-foreach": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1, foreach=True),
}
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)


def _step(table, optimizer, *indices, clear=True):
    if clear:
        optimizer.zero_grad()
    table(torch.tensor(indices)).square().sum().backward()
    optimizer.step()


def _rows(table):
    return [row.detach().clone() for row in table.rows]


def _moved(table, before):
    return [i for i, row in enumerate(before) if not torch.equal(table.rows[i], row)]


@every_optimizer
def test_only_rows_that_are_read_move(optimizer):
    table = encoders.Table(5, 3)
    optimizer = optimizer(table.parameters())
    _step(table, optimizer, 0, 1, 2, 3, 4)  # every row has a past now
    for indices in ([1, 1, 3], [0], [4, 2]):
        before = _rows(table)
        _step(table, optimizer, *indices)
        assert _moved(table, before) == sorted(set(indices))


@every_optimizer
def test_frozen_rows_stay_even_when_they_are_read(optimizer):
    table = encoders.Table(4, 3)
    optimizer = optimizer(table.parameters())
    _step(table, optimizer, 0, 1, 2, 3)
    table.freeze([1, 2])
    before = _rows(table)
    for _ in range(3):
        _step(table, optimizer, 0, 1, 2, 3)
    assert _moved(table, before) == [0, 3]
    table.unfreeze([1])
    before = _rows(table)
    _step(table, optimizer, 0, 1, 2, 3)
    assert _moved(table, before) == [0, 1, 3]


@every_optimizer
def test_a_row_frozen_between_backward_and_step_stays(optimizer):
    table = encoders.Table(3, 2)
    optimizer = optimizer(table.parameters())
    _step(table, optimizer, 0, 1, 2)
    table.freeze([0])  # its last gradient still waits
    before = _rows(table)
    _step(table, optimizer, 1, 2, clear=False)
    assert _moved(table, before) == [1, 2]


@every_optimizer
def test_growing_keeps_rows_and_their_optimiser_state(optimizer):
    table = encoders.Table(2, 3)
    made = optimizer(table.parameters())
    _step(table, made, 0, 1)
    rows, before = list(table.rows), _rows(table)
    state = [{k: torch.as_tensor(v).clone() for k, v in made.state[row].items()} for row in rows]
    assert table.grow(3) == range(2, 5)
    assert table.contexts == 5
    assert all(new is old for new, old in zip(table.rows, rows, strict=False))
    assert _moved(table, before) == []
    for row, remembered in zip(rows, state, strict=True):
        assert remembered
        assert all(torch.equal(torch.as_tensor(made.state[row][k]), v) for k, v in remembered.items())
    made.add_param_group({"params": list(table.rows)[2:]})
    before = _rows(table)
    _step(table, made, 2, 4)
    assert _moved(table, before) == [2, 4]


@every_optimizer
def test_a_whole_model_leaves_the_embeddings_of_other_tasks(optimizer):
    model = hd.HyperDNN.for_tasks(nn.Linear(3, 2), 4)
    table, optimizer = model.hypernet.encoder, optimizer(model.parameters())
    for task in range(4):
        before = _rows(table)
        for _ in range(2):
            optimizer.zero_grad()
            model(torch.randn(5, 3), context=torch.tensor(task)).tanh().mean().backward()
            optimizer.step()
        assert _moved(table, before) == [task]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_a_table_that_starts_empty_keeps_its_type(dtype):
    table = encoders.Table(0, 3, dtype=dtype)
    table.grow(2)
    assert {row.dtype for row in table.rows} == {dtype}
    moved = encoders.Table(0, 3).to(dtype)
    moved.grow(1)
    assert moved.rows[0].dtype == dtype


def test_an_empty_table_takes_no_context():
    assert encoders.Table(0, 3)(torch.zeros(2, 0, dtype=torch.long)).shape == (2, 0, 3)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64], ids=str)
def test_indices_of_any_integer_type_mean_the_same(dtype):
    table, indices = encoders.Table(4, 3), torch.tensor([3, 0, 3])
    expected = torch.stack([table.rows[i] for i in (3, 0, 3)])
    assert torch.equal(table(indices.to(dtype)), expected)
    assert torch.equal(torch.vmap(table)(indices.to(dtype)), expected)


def test_a_negative_index_is_refused_everywhere():
    table = encoders.Table(4, 3)
    with pytest.raises((hd.errors.ContextError, IndexError)):
        table(torch.tensor([-1]))
    with pytest.raises((hd.errors.ContextError, IndexError)):
        torch.vmap(table)(torch.tensor([0, -1]))
