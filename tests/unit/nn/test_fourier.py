import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdnn.errors import ConfigError
from hyperdnn.nn import Fourier


def test_it_is_its_formula() -> None:
    brick, x = Fourier(3, 4, scale=0.7).double(), torch.randn(2, 3, dtype=torch.float64)
    out = brick(x)
    for i in range(2):
        for k in range(4):
            phase = 2 * math.pi * sum(float(brick.directions[k, j] * x[i, j]) for j in range(3))
            assert out[i, k].item() == pytest.approx(math.sqrt(2) * math.cos(phase))
            assert out[i, 4 + k].item() == pytest.approx(math.sqrt(2) * math.sin(phase))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(1, 9), st.floats(1e-3, 1e3), st.floats(0, 1e3))
def test_every_row_has_unit_root_mean_square(inputs: int, frequencies: int, scale: float, size: float) -> None:
    out = Fourier(inputs, frequencies, scale=scale)(size * torch.randn(5, inputs))
    torch.testing.assert_close(out.square().mean(-1), torch.ones(5))


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_products_of_rows_are_the_kernel(scale: float) -> None:
    brick, x = Fourier(2, 20_000, scale=scale), torch.rand(12, 2) / scale
    rows = brick(x)
    distances = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    kernel = torch.exp(-2 * (math.pi * scale * distances) ** 2)
    torch.testing.assert_close(rows @ rows.T / 40_000, kernel, atol=0.03, rtol=0)
    assert torch.exp(torch.tensor(-2 * (math.pi / 2) ** 2)) < 0.01  # where the docstring sets the reach


def test_frequencies_are_saved_and_not_trained() -> None:
    brick, other, x = Fourier(3, 4), Fourier(3, 4), torch.randn(3)
    assert list(brick.parameters()) == []
    other.load_state_dict(brick.state_dict())
    assert torch.equal(other(x), brick(x))


def test_phases_are_computed_in_single_precision() -> None:
    brick, x = Fourier(1, 64, scale=20.0).bfloat16(), torch.tensor([0.75], dtype=torch.bfloat16)
    exact = Fourier(1, 64, scale=20.0).double()
    exact.directions.copy_(brick.directions)
    torch.testing.assert_close(brick(x).double(), exact(x.double()), atol=0.01, rtol=0)


def test_it_differentiates_twice_and_maps() -> None:
    brick = Fourier(2, 3).double()
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(brick, (x,))
    torch.testing.assert_close(torch.vmap(brick)(x), brick(x))


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan])
def test_a_scale_must_be_positive(scale: float) -> None:
    with pytest.raises(ConfigError, match=f"Fourier: expected a positive scale, got {scale}"):
        Fourier(3, 4, scale=scale)
