import pytest
import torch
from torch import nn

from hyperdnn.bodies import MLP
from hyperdnn.errors import ConfigError


@pytest.mark.parametrize("lead", [(), (1,), (4,), (2, 3, 5)])
def test_every_row_is_treated_alike(lead: tuple[int, ...]) -> None:
    body = MLP(3, 8, 5)
    features = torch.randn(*lead, 3)
    out = body(features)
    assert out.shape == (*lead, 5)
    torch.testing.assert_close(out.reshape(-1, 5), torch.stack([body(row) for row in features.reshape(-1, 3)]))


def test_widths_are_those_asked_for_each_with_its_activation() -> None:
    body = MLP(3, 8, 5, activation="tanh")
    assert (body.features, body.widths, body.hidden) == (3, (8, 5), 5)
    kinds = [(type(layer), getattr(layer, "out_features", None)) for layer in body.layers]
    assert kinds == [(nn.Linear, 8), (nn.Tanh, None), (nn.Linear, 5), (nn.Tanh, None)]
    assert body(100 * torch.randn(50, 3)).abs().max() <= 1


def test_the_second_moment_is_kept_through_many_relu_layers() -> None:
    torch.manual_seed(0)
    out = MLP(256, *[256] * 10)(torch.randn(100, 256))
    assert 0.3 < out.square().mean().item() < 3


def test_biases_start_at_zero() -> None:
    assert torch.equal(MLP(3, 8, 5)(torch.zeros(3)), torch.zeros(5))


def test_dtype_follows_the_argument() -> None:
    assert {p.dtype for p in MLP(3, 8, dtype=torch.float64).parameters()} == {torch.float64}


def test_it_needs_a_width_and_a_known_activation() -> None:
    with pytest.raises(ConfigError, match="MLP needs at least one width"):
        MLP(3)
    with pytest.raises(ConfigError, match="activation 'gelo' is unknown"):
        MLP(3, 8, activation="gelo")
