from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from hyperdnn import inspect, lab
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.implicit import functional_image as recipe

CONFIG = configuration("implicit/functional_image", "tiny")


def state(model, config=CONFIG, step=0):
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    return lab.train.State(model=model, config=config, step=step, optimizer=optimizer, generator=torch.Generator())


def test_points_are_the_centres_of_pixels_across_and_down():
    found = recipe.pixel_centres(2, 4)
    assert found.tolist() == [[x, y] for y in (-0.5, 0.5) for x in (-0.75, -0.25, 0.25, 0.75)]


def test_a_finer_grid_of_means_has_the_same_centre_of_mass():
    """A grid of pixels' corners would be shifted by half a pixel against one of another resolution."""
    coarse, fine = (recipe.pixel_centres(n, n).view(n, n, 2) for n in (4, 12))
    torch.testing.assert_close(F.avg_pool2d(fine.permute(2, 0, 1), 3), coarse.permute(2, 0, 1))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("factor", [2, 3])
def test_interpolation_is_torchs_own(mode, factor):
    images = torch.rand(3, 2, 5, 4)
    expected = F.interpolate(images, scale_factor=factor, mode=mode, align_corners=False).clamp(0, 1)
    torch.testing.assert_close(recipe.enlarged(recipe.Interpolated(mode), images, factor), expected)


def test_each_image_is_a_function_of_its_own_at_shared_points():
    model, images, points = recipe.build(CONFIG), torch.rand(3, 1, 4, 4), torch.rand(7, 2)
    torch.nn.init.normal_(model.model.hypernet.head.linear.weight)
    together = model(images, points)
    assert together.shape == (3, 7, 1)
    for image, found in zip(images, together, strict=True):
        torch.testing.assert_close(found, model.model(points, context=image))
        torch.testing.assert_close(found, model.model.bake(image)(points))
    assert not together[0].allclose(together[1])


def test_all_weights_are_generated():
    model = recipe.build(CONFIG).model
    widths = (2, *CONFIG.target, 1)
    assert model.target.layout.numel == sum(a * b + b for a, b in pairwise(widths))
    assert not list(model.target.module.parameters())


def test_the_function_has_cosines_inside_and_a_sigmoid_outside():
    model, image, points = recipe.build(CONFIG).model, torch.rand(1, 4, 4), torch.rand(7, 2)
    weights = model.generate(image)
    rows = points
    for k in (0, 2):
        rows = torch.cos(rows @ weights[f"{k}.weight"].T + weights[f"{k}.bias"])
    expected = torch.sigmoid(rows @ weights["4.weight"].T + weights["4.bias"])
    torch.testing.assert_close(model.target(weights, points), expected)


def test_it_starts_at_the_mean_colour_with_waves_of_the_given_frequency():
    config = replace(CONFIG, target=(512, 512), frequency=7.0)
    model = recipe.build(config).model
    weights = model.generate(torch.rand(2, 1, 4, 4))
    assert weights["0.weight"].std().item() == pytest.approx(7.0, rel=0.1)
    mean = recipe.data(config).train[:1000].targets.mean()
    torch.testing.assert_close(weights["4.bias"].sigmoid(), mean.expand(2, 1))
    points = recipe.pixel_centres(8, 8)
    rows = torch.cos(points @ weights["0.weight"][0].T + weights["0.bias"][0])
    phases = rows @ weights["2.weight"][0].T
    assert phases.square().mean().item() == pytest.approx(1.0, rel=0.2)  # neither constant nor noise


def test_the_latent_baseline_takes_point_and_code_side_by_side():
    model, images, points = recipe.build_concatenated(CONFIG), torch.rand(3, 1, 4, 4), torch.rand(7, 2)
    codes = model.encoder(images)
    assert codes.shape == (3, CONFIG.features)
    rows = torch.cat([points.expand(3, 7, 2), codes[:, None].expand(3, 7, -1)], dim=-1)
    torch.testing.assert_close(model(images, points), model.net(rows))


def test_the_loss_is_at_as_many_pixels_as_are_asked_for():
    model, images = recipe.Interpolated("bilinear"), torch.rand(2, 1, 8, 8)
    batch = lab.data.Batch(context=torch.tensor(0), inputs=F.avg_pool2d(images, 2), targets=images)
    parameters = torch.nn.Linear(1, 1)
    everywhere = F.mse_loss(recipe.enlarged(model, batch.inputs, 2), images)
    found = recipe.step(model, batch, state(parameters))["loss"]
    torch.testing.assert_close(found, everywhere)
    some = [recipe.step(model, batch, state(parameters, replace(CONFIG, pixels=1)))["loss"] for _ in range(2)]
    errors = (recipe.enlarged(model, batch.inputs, 2) - images).square().mean((0, 1))
    assert (errors - some[0]).abs().min() < 1e-6
    assert some[0] == some[1]  # of the same generator


def test_consistency_is_measured_against_what_was_given():
    task = recipe.data(CONFIG)
    found = recipe.evaluate(recipe.Interpolated("nearest"), task)
    assert found["given_psnr_x2"] > 100  # the same pixel four times, and its mean
    assert found["given_psnr_x3"] > 100
    assert len(found["enlarged_4"][0]) == 16
    assert found["psnr"] < 30


def test_it_is_what_the_review_calls_it():
    found = inspect.classify(recipe.build(CONFIG).model, conditioned_on="data")
    assert (found.input.values, found.output.values) == (("data-conditioned",), ("generate once",))
    assert found.input_variability.values == ("dynamic",)
