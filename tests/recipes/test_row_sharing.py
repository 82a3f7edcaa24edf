from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.fewshot import row_sharing as recipe
from hyperdnn.recipes.fewshot.row_sharing import FromRows, RowTemplates, waves


def small(number=4):
    net = nn.Sequential(nn.Conv2d(2, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3))
    target = hd.Target(net.double())
    templates = RowTemplates(target.layout, number).double()
    start = {name: rows.double() for name, rows in templates.start().items()}
    return FromRows(hd.HyperDNN(target, templates)), templates, start


def test_a_step_on_the_embeddings_is_a_preconditioned_step_on_the_weights():
    model, templates, start = small()
    x, y = torch.randn(1, 6, 2, 3, 3).double(), torch.randint(3, (1, 6))
    rates = torch.linspace(0.3, 0.7, 4, dtype=torch.float64)
    after = lab.train.adapt(lambda rows, x, y: F.cross_entropy(model(rows, x), y), start, x, y, rates=rates, steps=1)
    moved = templates({name: rows[0] for name, rows in after[-1].items()})
    before = {name: weight.detach().requires_grad_() for name, weight in templates(start).items()}
    loss = F.cross_entropy(model.model.target(before, x[0]), y[0])
    gradients = dict(zip(before, torch.autograd.grad(loss, list(before.values())), strict=True))
    (h,) = templates.templates
    gradients["0.weight"] = (gradients["0.weight"].flatten(2) @ (h.T @ h)).view(8, 2, 3, 3)
    for rate, name in zip(rates, before, strict=True):
        assert (moved[name] - (before[name] - rate * gradients[name])).abs().max() < 1e-12


@pytest.mark.parametrize("number", [1, 4, 9])
def test_every_kernel_is_a_mixture_of_its_convolutions_templates(number):
    _, templates, start = small(number)
    (h,) = templates.templates
    kernels = templates(start)["0.weight"].flatten(0, 1).flatten(1)
    assert start["0.weight"].shape == (8, 2, number)
    assert torch.linalg.matrix_rank(kernels).item() == number
    torch.testing.assert_close(start["0.weight"].flatten(0, 1) @ h, kernels)


@pytest.mark.parametrize("number", [0, 10])
def test_more_templates_than_pixels_are_refused(number):
    with pytest.raises(ConfigError, match="expected 1 to 9, the pixels of a kernel"):
        small(number)


@pytest.mark.parametrize("number", [2, 4])
def test_rows_start_as_large_as_the_layers_own_and_preconditioners_with_the_identitys_trace(number):
    target = hd.Target(nn.Conv2d(20, 400, 2, bias=False))
    templates = RowTemplates(target.layout, number)
    (h,) = templates.templates
    torch.testing.assert_close(h @ h.T, 4 / number * torch.eye(number))
    assert (h.T @ h).trace().item() == pytest.approx(4)
    weights = templates(templates.start())
    assert weights["weight"].std().item() == pytest.approx(target.layout["weight"].init_std, rel=0.05)


def test_the_smoothest_patterns_come_first():
    patterns = waves(3).view(9, 3, 3)
    torch.testing.assert_close(waves(3) @ waves(3).T, torch.eye(9), atol=1e-6, rtol=0)
    roughness = patterns.diff(dim=1).square().sum((1, 2)) + patterns.diff(dim=2).square().sum((1, 2))
    assert roughness.tolist() == pytest.approx([0, 1, 1, 2, 3, 3, 4, 4, 6], abs=1e-5)
    turned = patterns[:4].rot90(dims=(1, 2)).flatten(1)
    inside = turned @ waves(3)[:4].T @ waves(3)[:4]
    torch.testing.assert_close(inside, turned)  # four of them know no direction: characters come in all rotations


def test_templates_are_held_in_the_inner_loop_and_trained_by_the_outer():
    config = configuration("fewshot/row_sharing", "tiny")
    lab.seed_everything(0)
    model, batch = recipe.build(config), recipe.data(config).train.sample(2, generator=torch.Generator())
    state = lab.train.State(model=model, config=config, generator=torch.Generator())
    hypernet = model.model.model.hypernet
    before = [h.detach().clone() for h in hypernet.templates]
    found = recipe.step(model, batch, state)
    found["loss"].backward()
    assert all(h.equal(b) for h, b in zip(hypernet.templates, before, strict=True))
    assert found["preconditioner"].item() == pytest.approx(9 / config.templates, abs=1e-5)
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_all_arms_normalise_by_their_own_batch_and_hold_the_same_network():
    config = configuration("fewshot/row_sharing", "tiny")
    models = [recipe.build(config), recipe.build_maml(config)]
    assert [list(model.buffers()) for model in models] == [[], []]
    layouts = [models[0].model.model.target.layout, models[1].model.layout]
    assert layouts[0].difference(layouts[1]) is None


def test_the_default_has_at_most_as_many_numbers_as_maml_and_halves_them():
    config = configuration("fewshot/row_sharing")
    half = recipe.build(replace(config, **recipe.RECIPE.variants["half"].changes))
    models = (half, recipe.build(config), recipe.build_maml(config))
    counts = [sum(p.numel() for p in model.parameters()) for model in models]
    assert counts[0] <= counts[2] / 2
    assert counts[1] <= counts[2]
