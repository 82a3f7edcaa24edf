import math

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.metrics import circle_rays, hypervolume, ray_control, uniformity


def test_rays_lie_at_equal_angles_and_sum_to_one():
    rays = circle_rays(25)
    angles = torch.atan2(rays[:, 1], rays[:, 0])
    assert rays.shape == (25, 2)
    torch.testing.assert_close(rays.sum(-1), torch.ones(25))
    torch.testing.assert_close(angles.diff(), torch.full((24,), (math.pi / 2 - 0.2) / 24))
    assert (angles[0].item(), rays[12].tolist()) == (pytest.approx(0.1), pytest.approx([0.5, 0.5]))
    torch.testing.assert_close(circle_rays(2, margin=0.0), torch.eye(2))


def test_the_hypervolume_is_the_area_that_is_dominated():
    points = torch.tensor([[1.0, 1.0], [0.5, 1.5], [1.2, 1.2], [3.0, 0.1]])  # the last two add nothing
    assert hypervolume(points, (2, 2)) == pytest.approx(1 + 0.5 * 0.5)
    assert hypervolume(points[:0], (2, 2)) == 0
    assert hypervolume(torch.tensor([[0.5, 0.5, 0.5]]), (1, 1, 2)) == pytest.approx(0.375)


def test_uniformity_is_one_on_the_ray_and_by_hand_off_it():
    rays = torch.tensor([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    losses = torch.tensor([[0.8, 0.2], [3.0, 1.0], [1.0, 5.0]])
    off = 1 - (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert uniformity(losses, rays).tolist() == pytest.approx([1.0, off, 1 - math.log(2)])
    assert uniformity(losses[0], rays[0]).shape == ()


def test_control_is_the_order_of_losses_and_shares():
    rays = circle_rays(5)
    assert ray_control(1 / rays, rays) == pytest.approx(1)
    assert ray_control(rays, rays) == pytest.approx(-1)
    assert ray_control(torch.stack([1 / rays[:, 0], rays[:, 1]], -1), rays) == pytest.approx(0)


def test_errors_say_what_was_expected():
    with pytest.raises(ConfigError, match="2 rays or more"):
        circle_rays(1)
    with pytest.raises(ConfigError, match="margin"):
        circle_rays(3, margin=1.0)
    with pytest.raises(ConfigError, match=r"expected \(points, 2\)"):
        hypervolume(torch.ones(3, 3), (2, 2))
    with pytest.raises(ConfigError, match="finite"):
        hypervolume(torch.tensor([[math.nan, 1.0]]), (2, 2))
    with pytest.raises(ConfigError, match="two models or more"):
        ray_control(torch.ones(1, 2), torch.ones(1, 2))
