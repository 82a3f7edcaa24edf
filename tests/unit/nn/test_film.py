import pytest
import torch
from torch import nn

from hyperdnn.errors import LayoutError
from hyperdnn.nn import Film

SHAPES = [((4, 3), -1), ((4, 3, 5, 6), 1), ((4, 3, 5, 6), -3), ((3, 5, 6), -3), ((4, 3), 1)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("shape", "dim"), SHAPES)
def test_it_starts_as_the_identity(shape: tuple[int, ...], dim: int, dtype: torch.dtype) -> None:
    x = torch.randn(shape, dtype=dtype)
    assert torch.equal(Film(3, channel_dim=dim, dtype=dtype)(x), x)


@pytest.mark.parametrize(("shape", "dim"), SHAPES)
def test_it_scales_and_shifts_each_channel(shape: tuple[int, ...], dim: int) -> None:
    film, x = Film(3, channel_dim=dim), torch.randn(shape)
    for parameter in film.parameters():
        nn.init.normal_(parameter)
    y = film(x)
    for channel in range(3):
        expected = x.select(dim, channel) * (1 + film.gain[channel]) + film.shift[channel]
        torch.testing.assert_close(y.select(dim, channel), expected)


def test_both_parameters_have_a_gradient_at_the_start() -> None:
    film = Film(3)
    film(torch.randn(4, 3)).square().sum().backward()
    assert film.gain.grad.abs().min() > 0
    assert film.shift.grad.abs().min() > 0


@pytest.mark.parametrize(("shape", "dim"), [((4, 1), -1), ((4, 5), -1), ((3,), 1), ((4, 3), -3)])
def test_other_channels_are_refused(shape: tuple[int, ...], dim: int) -> None:
    with pytest.raises(LayoutError, match=f"Film: expected 3 channels in dimension {dim}"):
        Film(3, channel_dim=dim)(torch.randn(shape))


def test_it_says_where_the_channels_are() -> None:
    assert repr(Film(3, channel_dim=1)) == "Film(3, channel_dim=1)"
