from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn.init import Moments, fill_rows_, fill_unit_, unit_length, unit_rms


@pytest.mark.parametrize("shape", [(8,), (5, 8), (2, 3, 8)])
def test_rows_of_features_have_unit_root_mean_square(shape: tuple[int, ...]) -> None:
    features = 100 * torch.randn(*shape)
    out = unit_rms(features)
    torch.testing.assert_close(out.square().mean(-1), torch.ones(shape[:-1]))
    torch.testing.assert_close(out * features.square().mean(-1, keepdim=True).sqrt(), features)


def test_a_step_on_the_map_is_a_step_on_what_it_generates() -> None:
    """Under unit length the map's weights learn as fast as the target itself would, whatever the width."""
    for width in (3, 300):
        linear, features = nn.Linear(width, 5).double(), unit_length(torch.randn(width).double())
        gradient = torch.randn(5).double()
        before = linear(features).detach()
        linear(features).backward(gradient)
        with torch.no_grad():
            linear.weight -= 0.1 * linear.weight.grad
        torch.testing.assert_close(linear(features), before - 0.1 * gradient)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("scale", [unit_rms, unit_length])
def test_features_of_zeros_stay_zeros_and_keep_a_finite_gradient(
    scale: Callable[[Tensor], Tensor], dtype: torch.dtype
) -> None:
    features = torch.zeros(3, 8, dtype=dtype, requires_grad=True)
    scale(features).sum().backward()
    assert torch.equal(scale(features), torch.zeros(3, 8, dtype=dtype))
    assert features.grad.abs().max() < 3000


def test_unit_length_of_large_and_small_features() -> None:
    wide = unit_length(torch.full((1024,), 6e4, dtype=torch.float16))  # whose squares overflow
    torch.testing.assert_close(wide.float().norm(), torch.tensor(1.0), rtol=1e-2, atol=0)
    for size in (1e-3, 1e18):
        torch.testing.assert_close(unit_length(torch.full((4,), size)).norm(), torch.tensor(1.0))
    assert unit_length(torch.full((4,), 1e-5)).norm() == pytest.approx(1e-5 / 2**-11.5, rel=1e-3)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "leaky_relu"])
def test_a_context_of_zeros_does_not_explode(activation: str) -> None:
    target = hd.Target(nn.Linear(3, 2))
    body, head = hd.bodies.MLP(4, 6, activation=activation), hd.heads.FullHead(6, target.layout)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=hd.encoders.Vector(4), body=body, head=head))
    model(torch.ones(5, 3), context=torch.zeros(4)).square().sum().backward()
    assert all(p.grad.abs().max() < 1e5 for p in model.hypernet.parameters())


def test_each_run_of_rows_has_its_own_moments() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(64, 4000)
    fill_rows_(linear, [1000, 2000, 1000], [Moments(0.0, 0.1), Moments(1.0, 2.0), Moments(-3.0, 0.0)], length=8.0)
    out = linear(unit_rms(torch.randn(200, 64))).detach()
    for piece, (mean, std) in zip(out.split([1000, 2000, 1000], 1), [(0, 0.1), (1, 2), (-3, 0)], strict=True):
        assert piece.mean().item() == pytest.approx(mean, abs=0.05)
        assert piece.std().item() == pytest.approx(std, rel=0.05)


def test_unit_fill_gives_unit_variance_at_any_width() -> None:
    torch.manual_seed(0)
    for width in (4, 256):
        linear = nn.Linear(width, 3000)
        fill_unit_(linear)
        out = linear(unit_rms(torch.randn(50, width)))
        assert out.std().item() == pytest.approx(1, rel=0.05)
        assert torch.equal(linear.bias, torch.zeros(3000))


def test_rows_and_moments_must_cover_the_map() -> None:
    with pytest.raises(RuntimeError, match="split_with_sizes"):
        fill_rows_(nn.Linear(4, 5), [2, 2], [Moments(0.0, 1.0)] * 2)
    with pytest.raises(ValueError, match="zip"):
        fill_rows_(nn.Linear(4, 5), [2, 3], [Moments(0.0, 1.0)])
