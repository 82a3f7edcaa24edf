from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import lab
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.fewshot import row_sharing as recipe
from hyperdnn.recipes.fewshot.row_sharing import FromRows, RowTemplates


def small(ratio=0.5):
    net = nn.Sequential(nn.Conv2d(2, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3))
    target = hd.Target(net.double())
    templates = RowTemplates(target.layout, ratio).double()
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
    gradients["0.weight"] = (gradients["0.weight"].flatten(1) @ (h.T @ h)).view(8, 2, 3, 3)
    for rate, name in zip(rates, before, strict=True):
        assert (moved[name] - (before[name] - rate * gradients[name])).abs().max() < 1e-12


@pytest.mark.parametrize("ratio", [0.05, 0.5, 1.0, 3.0])
def test_a_convolution_has_the_share_of_numbers_that_was_asked_for(ratio):
    _, templates, start = small(ratio)
    (h,) = templates.templates
    numbers, one = start["0.weight"].numel() + h.numel(), 8 + 18
    assert ratio * 8 * 18 < numbers + one
    assert numbers <= ratio * 8 * 18 or numbers == one


@pytest.mark.parametrize("ratio", [0.4, 4.0])
def test_rows_start_as_large_as_the_layers_own_and_preconditioners_as_projections(ratio):
    target = hd.Target(nn.Conv2d(20, 400, 2, bias=False))
    templates = RowTemplates(target.layout, ratio)
    (h,) = templates.templates
    square = h.T @ h
    torch.testing.assert_close(square @ square, square, atol=1e-5, rtol=0)
    assert square.trace().item() == pytest.approx(min(h.shape), abs=1e-3)
    weights = templates(templates.start())
    assert weights["weight"].std().item() == pytest.approx(target.layout["weight"].init_std, rel=0.1)


def test_templates_are_held_in_the_inner_loop_and_trained_by_the_outer():
    config = configuration("fewshot/row_sharing", "tiny")
    lab.seed_everything(0)
    model, batch = recipe.build(config), recipe.data(config).train.sample(2, generator=torch.Generator())
    state = lab.train.State(model=model, config=config, generator=torch.Generator())
    templates = model.model.model.hypernet.templates
    before = [h.detach().clone() for h in templates]
    found = recipe.step(model, batch, state)
    found["loss"].backward()
    assert all(h.equal(b) for h, b in zip(templates, before, strict=True))
    assert found["preconditioner"].item() == pytest.approx(1, abs=1e-5)
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_all_arms_normalise_by_their_own_batch_and_hold_the_same_network():
    config = configuration("fewshot/row_sharing", "tiny")
    models = [recipe.build(config), recipe.build_maml(config)]
    assert [list(model.buffers()) for model in models] == [[], []]
    layouts = [models[0].model.model.target.layout, models[1].model.layout]
    assert layouts[0].difference(layouts[1]) is None
    half = recipe.build(replace(config, ratio=0.46))
    numbers = [sum(p.numel() for p in model.parameters()) for model in (half, *models)]
    assert numbers[0] < numbers[1] <= numbers[2]


def test_the_default_halves_the_numbers_of_maml():
    config = configuration("fewshot/row_sharing")
    half = recipe.build(replace(config, **recipe.RECIPE.variants["half"].changes))
    maml = recipe.build_maml(config)
    counts = [sum(p.numel() for p in model.parameters()) for model in (half, maml)]
    assert counts[0] <= counts[1] / 2
