import pytest
import torch

from hyperdnn.encoders import Vector


@pytest.mark.parametrize("shape", [(3,), (1, 3), (5, 3), (2, 4, 3), (0, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_vector_stays_as_it_is(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    context = torch.randn(*shape).to(dtype)
    assert Vector(3)(context) is context


def test_it_has_no_parameter() -> None:
    assert list(Vector(3).parameters()) == []


def test_values_are_not_read_below_a_gradient_that_is_mapped() -> None:
    slope = torch.vmap(torch.func.grad(lambda context: Vector(3)(context).square().sum()))
    context = torch.randn(4, 3)
    torch.testing.assert_close(slope(context), 2 * context)
