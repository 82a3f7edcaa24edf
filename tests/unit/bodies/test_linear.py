import pytest
import torch

from hyperdnn.bodies import Linear


@pytest.mark.parametrize("lead", [(), (1,), (4,), (2, 3, 5)])
def test_it_is_one_linear_map_of_each_row(lead: tuple[int, ...]) -> None:
    body = Linear(3, 5)
    features, other = torch.randn(*lead, 3), torch.randn(*lead, 3)
    assert body(features).shape == (*lead, 5)
    torch.testing.assert_close(body(features + 2 * other), body(features) + 2 * body(other), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("features", [4, 400])
def test_variance_is_kept(features: int) -> None:
    torch.manual_seed(0)
    assert Linear(features, 500)(torch.randn(200, features)).std().item() == pytest.approx(1, rel=0.1)
