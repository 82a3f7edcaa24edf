import pytest
import torch
from torch import Tensor

from hyperdnn.encoders._finite import check_finite, check_floats, check_form, check_like, check_place, check_vector
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


@pytest.mark.usefixtures("as_a_user_runs_it")
def test_values_that_cannot_be_read_are_not_read() -> None:
    def run(context: Tensor) -> Tensor:
        check_vector(context, 3, "Vector")
        return context

    context = torch.tensor([[float("nan"), 0, 0]])
    assert torch.vmap(run)(context).isnan().any()
    assert torch.compile(run, backend="eager", fullgraph=True)(context).isnan().any()


@pytest.mark.parametrize("context", [torch.zeros(4, 3), torch.zeros(2, 0, 3), torch.zeros(0, 7, 3)])
def test_a_dimension_given_by_name_may_have_any_size(context: Tensor) -> None:
    check_floats(context, ("n", 3), "Set")


@pytest.mark.parametrize(
    ("context", "words"),
    [
        (torch.zeros(3), r"Set: expected \(\*contexts, n, 3\), got \(3,\)"),
        (torch.zeros(3, 4), r"Set: expected \(\*contexts, n, 3\), got \(3, 4\)"),
        (torch.zeros(4, 3).bool(), r"Set takes floating-point tensors, got torch\.bool"),
    ],
)
def test_a_shape_that_does_not_fit_is_named(context: Tensor, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        check_floats(context, ("n", 3), "Set")


def test_contexts_without_values_are_not_read() -> None:
    check_vector(torch.empty(2, 3, device="meta"), 3, "Vector")


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.complex64, torch.uint16])
def test_types_that_no_layer_takes_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(ContextError, match=r"Vector takes floating-point vectors, got torch"):
        check_vector(torch.zeros(2, 3).to(dtype), 3, "Vector")


def test_a_sparse_context_is_refused_with_the_way_out() -> None:
    with pytest.raises(ContextError, match=r"takes a dense tensor, got torch\.sparse_coo: use context\.to_dense\(\)"):
        check_vector(torch.zeros(2, 3).to_sparse(), 3, "Vector")


def test_the_form_says_nothing_of_values() -> None:
    check_form(torch.full((4, 3), float("nan")), ("n", 3), "Set")
    with pytest.raises(ContextError, match=r"Set: its output is not finite at \[0\] \(nan\)"):
        check_finite(torch.tensor([float("nan")]), "Set", "its output")


def test_another_type_or_device_is_named_with_the_conversion() -> None:
    own = torch.zeros(1)
    check_like(torch.zeros(3), own, "Set")
    with pytest.raises(
        ContextError, match=r"float32, the context is torch\.float64: use context\.to\(torch\.float32\)"
    ):
        check_like(torch.zeros(3).double(), own, "Set")
    with pytest.raises(ContextError, match=r"is on cpu, the context on meta: use context\.to\('cpu'\)"):
        check_place(torch.zeros(3, device="meta"), own, "Set")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        check_like(torch.zeros(3).bfloat16(), own, "Set")
