import pytest
import torch
from torch import Tensor

from hyperdnn.encoders._finite import check_vector
from hyperdnn.errors import ContextError


@pytest.mark.parametrize("context", [torch.zeros(3), torch.zeros(0, 3), torch.full((2, 2, 3), 1e30)])
def test_finite_vectors_of_the_right_width_pass(context: Tensor) -> None:
    check_vector(context, 3, "Vector")


@pytest.mark.parametrize(
    ("context", "words"),
    [
        (torch.zeros(3, dtype=torch.int64), r"Vector takes floating-point vectors, got torch\.int64"),
        (torch.zeros(()), r"Vector: expected \(\*contexts, 3\), got \(\)"),
        (torch.zeros(3, 4), r"Vector: expected \(\*contexts, 3\), got \(3, 4\)"),
        (torch.tensor([[0, 0, 0], [0, 0, float("nan")]]), r"not finite at \[1, 2\] \(nan\)"),
        (torch.tensor([0, -float("inf"), 0]), r"not finite at \[1\] \(-inf\)"),
    ],
)
def test_anything_else_is_named(context: Tensor, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        check_vector(context, 3, "Vector")


def test_values_that_cannot_be_read_are_not_read() -> None:
    def run(context: Tensor) -> Tensor:
        check_vector(context, 3, "Vector")
        return context

    context = torch.tensor([[float("nan"), 0, 0]])
    assert torch.vmap(run)(context).isnan().any()
    assert torch.compile(run, backend="eager", fullgraph=True)(context).isnan().any()
