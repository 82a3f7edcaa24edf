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
