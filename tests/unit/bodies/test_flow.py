import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hyperdnn.bodies import Flow
from hyperdnn.errors import ConfigError


def moved(*sizes: int, **options: int) -> Flow:
    """A flow away from its start, in double precision."""
    flow = Flow(*sizes, **options).double()
    for p in flow.parameters():
        nn.init.normal_(p, std=0.2)  # scales are exponentials of exponentials: at 0.5 some overflow
    return flow


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 7), st.integers(0, 4))
def test_the_volume_change_is_that_of_the_jacobian(features: int, couplings: int) -> None:
    torch.manual_seed(8 * features + couplings)
    flow = moved(features, couplings=couplings, width=5)
    x = torch.randn(features, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(flow, x)
    expected = torch.linalg.slogdet(jacobian)
    out, log_det = flow.with_log_det(x)
    torch.testing.assert_close(log_det, expected.logabsdet, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(out, flow(x))


def undone(flow: Flow, y: Tensor) -> Tensor:
    """The input, found by going back layer by layer."""
    for number in reversed(range(flow.couplings)):
        layer, turned = flow.layers[number], number % 2 == 1
        y = y.flip(-1) if turned else y
        given, moved = y[..., : layer.given], y[..., layer.given :]
        log_scale, shift = layer.out(layer.hidden(given).relu()).chunk(2, dim=-1)
        y = torch.cat([given, (moved - shift) / (log_scale.exp() + 1e-3)], dim=-1)
        y = y.flip(-1) if turned else y
    return (y - flow.shift) / (flow.log_scale.exp() + 1e-3)


@pytest.mark.parametrize("features", [2, 5])
def test_it_is_invertible(features: int) -> None:
    flow, x = moved(features, couplings=3, width=4), torch.randn(6, features, dtype=torch.float64)
    torch.testing.assert_close(undone(flow, flow(x)), x)


def test_from_two_couplings_on_every_feature_depends_on_others() -> None:
    for features in (4, 5):
        jacobian = torch.autograd.functional.jacobian(
            moved(features, couplings=2, width=16), torch.ones(features).double()
        )
        assert (jacobian.ne(0).sum(1) > 1).all()
        diagonal = torch.autograd.functional.jacobian(moved(features, couplings=0), torch.ones(features).double())
        assert diagonal.ne(0).sum() == features


def test_it_starts_as_a_narrow_gaussian_around_its_shift() -> None:
    torch.manual_seed(0)
    flow = Flow(6, couplings=4, start=-7.0)
    with torch.no_grad():
        flow.shift.copy_(torch.arange(6) / 5)
    out = flow(torch.randn(4000, 6))
    torch.testing.assert_close(out.mean(0), torch.arange(6) / 5, atol=8e-3, rtol=0)
    assert out.std(0).tolist() == pytest.approx([1.9e-3] * 6, rel=0.1)  # e^-7 and the thousandth that every scale has


def test_by_default_it_starts_near_the_identity() -> None:
    x = torch.randn(20, 6)
    for couplings in range(5):
        torch.testing.assert_close(Flow(6, couplings=couplings)(x), x, atol=0.05, rtol=0)


def test_log_determinants_keep_the_context_dimensions() -> None:
    for contexts in ((), (1,), (0,), (2, 3)):
        assert Flow(4, couplings=2).with_log_det(torch.randn(*contexts, 4))[1].shape == contexts
        assert Flow(4, couplings=0).with_log_det(torch.randn(*contexts, 4))[1].shape == contexts
    x = torch.randn(3, 4)
    flow = Flow(4, couplings=2)
    mapped = torch.vmap(flow.with_log_det)(x)
    torch.testing.assert_close(mapped, flow.with_log_det(x))


def test_what_cannot_be_coupled_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"1 feature cannot be coupled with another\. Use couplings=0"):
        Flow(1)
    assert Flow(1, couplings=0)(torch.ones(1)).shape == (1,)
    with pytest.raises(ConfigError, match="expected 0 couplings or more, got -1"):
        Flow(3, couplings=-1)
