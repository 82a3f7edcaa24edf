import copy

import pytest
import torch
from torch import Tensor

from hyperdnn.encoders import Table


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3), (0,)])
def test_an_index_becomes_its_row_and_leading_dimensions_stay(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    table = Table(5, 7)
    context = torch.randint(0, 5, shape).to(dtype)
    out = table(context)
    assert out.shape == (*shape, 7)
    for where, index in zip(out.reshape(-1, 7), context.flatten().tolist(), strict=True):
        assert torch.equal(where, table.rows[index])


def test_rows_start_with_the_deviation_asked_for() -> None:
    torch.manual_seed(0)
    rows = torch.stack(list(Table(50, 200, std=0.3).rows))
    assert rows.std().item() == pytest.approx(0.3, rel=0.05)
    assert rows.mean().item() == pytest.approx(0, abs=0.02)


def test_only_the_rows_read_get_a_gradient() -> None:
    table = Table(4, 3)
    table(torch.tensor([2, 0, 2])).sum().backward()
    assert [row.grad is None for row in table.rows] == [False, True, False, True]
    assert torch.equal(table.rows[2].grad, torch.full((3,), 2.0))


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.1),
    ],
    ids=["sgd", "adamw"],
)
def test_rows_of_other_tasks_stay_bit_equal_under_momentum_and_decay(make: object) -> None:
    table = Table(3, 4)
    optimizer = make(table.parameters())
    for task in (0, 1, 1):
        before = [row.detach().clone() for row in table.rows]
        optimizer.zero_grad()
        table(torch.tensor(task)).square().sum().backward()
        optimizer.step()
        assert [torch.equal(a, b) for a, b in zip(before, table.rows, strict=True)] == [i != task for i in range(3)]


def test_growing_keeps_rows_and_their_optimiser_state() -> None:
    table = Table(2, 4)
    first = table.rows[0]
    optimizer = torch.optim.Adam(table.parameters())
    table(torch.tensor(0)).sum().backward()
    optimizer.step()
    assert table.grow(2) == range(2, 4)
    assert table.contexts == 4
    assert table.rows[0] is first
    assert first in optimizer.state
    assert table(torch.tensor([0, 3])).shape == (2, 4)


def test_new_rows_follow_the_old_ones_in_type() -> None:
    table = Table(1, 4).double()
    table.grow()
    assert table.rows[1].dtype == torch.float64


def test_an_empty_table_can_grow() -> None:
    table = Table(0, 4)
    assert table.contexts == 0
    assert table.grow() == range(1)
    assert table(torch.tensor(0)).shape == (4,)


def test_no_context_of_an_empty_table_is_no_row() -> None:
    assert Table(0, 4)(torch.empty(0, dtype=torch.int64)).shape == (0, 4)


def test_frozen_rows_are_not_trained_until_thawed() -> None:
    table = Table(3, 4)
    table.freeze([0, 2])
    assert [row.requires_grad for row in table.rows] == [False, True, False]
    table.unfreeze(range(3))
    assert all(row.requires_grad for row in table.rows)


def test_under_vmap_values_are_the_same() -> None:
    table = Table(4, 3)
    context = torch.tensor([[1, 0], [3, 3]])
    assert torch.equal(torch.vmap(table)(context), table(context))


def test_a_state_dict_of_an_equal_table_loads() -> None:
    table, other = Table(3, 4), Table(3, 4)
    other.load_state_dict(table.state_dict())
    assert torch.equal(other(torch.arange(3)), table(torch.arange(3)))
    assert isinstance(copy.deepcopy(table)(torch.tensor(1)), Tensor)
