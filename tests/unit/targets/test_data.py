from collections.abc import Sequence

import pytest
import torch

from hyperdnn.errors import BatchingError, ContextError
from hyperdnn.targets._data import add_batch_of_one, check_data, data_dims_for, remove_batch_of_one


@pytest.mark.parametrize(
    ("given", "contexts", "dims"),
    [
        (0, (3,), (0,)),
        (None, (3,), (None,)),
        (0, (2, 3), (0, 0)),
        (None, (2, 3), (None, None)),
        ((None, 0), (2, 3), (None, 0)),
        ([0, None], (2, 3), (0, None)),
    ],
)
def test_one_entry_for_each_context_dimension(
    given: int | Sequence[int | None] | None, contexts: tuple[int, ...], dims: tuple[int | None, ...]
) -> None:
    assert data_dims_for(given, torch.Size(contexts)) == dims


@pytest.mark.parametrize("given", [1, -1, (0, 1), (0,), (0, 0, 0)])
def test_entries_are_zero_or_none_and_as_many(given: int | Sequence[int]) -> None:
    with pytest.raises(BatchingError, match=r"data_dims=.*: expected"):
        data_dims_for(given, torch.Size((2, 3)))


def test_data_begins_with_the_dimensions_it_has() -> None:
    inputs = ((torch.zeros(3, 5), None, 7), {"mask": [torch.zeros(3)]})
    check_data(inputs, (None, 0), torch.Size((2, 3)), "paired")
    with pytest.raises(ContextError, match=r"context has \(2, 3\) rows but x has 3; paired takes one"):
        check_data(inputs, (0, None), torch.Size((2, 3)), "paired")


@pytest.mark.parametrize(("x", "shown"), [(torch.zeros(4, 5), "4"), (torch.zeros(()), r"\(\)")])
def test_the_number_of_rows_is_named(x: torch.Tensor, shown: str) -> None:
    with pytest.raises(ContextError, match=f"context has 3 rows but x has {shown}; paired takes one"):
        check_data(((x,), {}), (0,), torch.Size((3,)), "paired")


def test_every_tensor_gets_a_batch_of_one_behind_the_contexts() -> None:
    (x, flag), kwargs = add_batch_of_one(((torch.zeros(3, 5), True), {"mask": torch.zeros(3)}), (None, 0))
    assert (x.shape, flag, kwargs["mask"].shape) == ((3, 1, 5), True, (3, 1))


def test_and_loses_it_again() -> None:
    out = remove_batch_of_one({"y": torch.zeros(2, 3, 1, 5), "flag": True}, torch.Size((2, 3)))
    assert (out["y"].shape, out["flag"]) == ((2, 3, 5), True)


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 2, 1)])
def test_an_output_without_a_batch_of_one_in_front(shape: tuple[int, ...]) -> None:
    with pytest.raises(BatchingError, match=r"paired: .* not a batch of one\. .*batch_first=True"):
        remove_batch_of_one(torch.zeros(shape), torch.Size((3,)))
