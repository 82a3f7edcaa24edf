from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from hyperdnn import lab
from hyperdnn.lab.metrics import circle_rays
from hyperdnn.recipes.multiobjective import pareto_phn as recipe

CONFIG = recipe.Config(
    source="digits", shift=2, pairs=(60, 10, 20), kernels=(3, 2), channels=2, hidden=5, hypernet=(8,)
)


def _start(model: torch.nn.Module) -> tuple[lab.data.Batch, lab.train.State]:
    generator = torch.Generator().manual_seed(0)
    batch = recipe.data(CONFIG).train.sample(16, generator=generator)
    return batch, lab.train.State(model=model, config=CONFIG, generator=generator)


def test_the_published_sizes_are_those_of_the_authors_code():
    layout = recipe.hd.ParamLayout.of(recipe.LeNet(recipe.Config(), side=36, classes=10))
    assert [spec.shape for spec in layout if len(spec.shape) > 1] == [
        *((10, 1, 9, 9), (20, 10, 5, 5), (50, 20 * 25)),
        *((10, 50), (10, 50)),
    ]
    assert layout.numel == 31_910


def test_there_is_no_activation_before_the_output_layers():
    net = recipe.LeNet(CONFIG, side=10, classes=10)
    assert isinstance(net.trunk[-1], torch.nn.Linear)
    assert net(torch.rand(3, 1, 10, 10)).shape == (3, 2, 10)


@pytest.mark.parametrize("rays", [(), (4,), (2, 3)])
def test_each_task_has_its_own_cross_entropy(rays):
    outputs, targets = torch.randn(*rays, 7, 2, 10), torch.randint(10, (7, 2))
    found = recipe.task_losses(outputs, targets)
    assert found.shape == (*rays, 2)
    for one, losses in zip(outputs.reshape(-1, 7, 2, 10), found.reshape(-1, 2), strict=True):
        expected = [F.cross_entropy(one[:, task], targets[:, task]) for task in range(2)]
        torch.testing.assert_close(losses, torch.stack(expected))


def test_rays_sum_to_one_and_favour_the_corners():
    generator = torch.Generator().manual_seed(0)
    rays = torch.stack([recipe.draw_ray(0.2, generator) for _ in range(400)])
    torch.testing.assert_close(rays.sum(-1), torch.ones(400))
    assert (rays.amax(-1) > 0.9).float().mean() > 0.5  # uniform rays: a fifth


def test_the_losses_are_weighted_by_the_ray_itself():
    model = recipe.build(CONFIG)
    batch, state = _start(model)
    parts = recipe.step(model, replace(batch, context=torch.tensor([0.9, 0.1])), state)
    torch.testing.assert_close(parts["loss"], 0.9 * parts["first"] + 0.1 * parts["second"])


def test_exact_search_goes_by_gradients_of_the_hypernet():
    model = recipe.build(CONFIG).double()
    batch, state = _start(model)
    batch = replace(batch, inputs=batch.inputs.double(), context=torch.tensor([0.7, 0.3], dtype=torch.float64))
    found = recipe.task_losses(model(batch.inputs, context=batch.context), batch.targets)
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(one, list(model.hypernet.parameters()), retain_graph=True)])
        for one in found
    ]
    gram = torch.stack(rows) @ torch.stack(rows).T
    weights = lab.losses.exact_pareto_weights(found, batch.context, gram)
    torch.testing.assert_close(recipe.exact_step(model, batch, state)["loss"], (weights * found).sum())


def test_each_separate_network_has_a_ray_of_its_own():
    model = recipe.build_separate(CONFIG)
    batch, state = _start(model)
    (rows,) = torch.autograd.grad(recipe.separate_step(model, batch, state)["loss"], model.rows)
    gradients = list(model.target.layout.split(rows).values())
    outputs = model(batch.inputs, context=None, data_dims=None)
    for ray, one, last in zip(circle_rays(recipe.RAYS), outputs, gradients[-1], strict=True):
        error = one[:, 1].softmax(-1) - F.one_hot(batch.targets[:, 1], 10)
        torch.testing.assert_close(last, ray[1] * error.mean(0))


def test_separate_networks_take_half_the_steps():
    model = recipe.build_separate(CONFIG)
    _, state = _start(model)
    settings = lab.train.Settings(iterations=6, batch_size=4, device="cpu")
    parts = {"step": recipe.separate_step, "evaluate": recipe.evaluate, "log": lab.train.Log()}
    assert recipe.fit_half(state, recipe.data(CONFIG), settings, **parts).metrics["hypervolume"] >= 0
    assert state.step == 3


def test_the_front_is_measured_at_all_rays():
    task = recipe.data(CONFIG)
    found = recipe.evaluate(recipe.build(CONFIG).eval(), task)
    assert (len(found["losses"]), found["rays"][12]) == (recipe.RAYS, pytest.approx([0.5, 0.5]))
    model = recipe.build_separate(CONFIG).eval()
    outputs = model(task.test[:].inputs, context=None, data_dims=None)
    expected = recipe.task_losses(outputs, task.test[:].targets)
    torch.testing.assert_close(torch.tensor(recipe.evaluate(model, task)["losses"]), expected)


def test_one_network_for_one_ray_weights_both_losses_alike_and_is_the_same_at_every_ray():
    model = recipe.build_single(CONFIG)
    batch, state = _start(model)
    loss = recipe.single_step(model, batch, state)["loss"]
    torch.testing.assert_close(
        loss, recipe.task_losses(model.net(batch.inputs), batch.targets) @ torch.tensor([0.5, 0.5])
    )
    measured = recipe.evaluate(model.eval(), recipe.data(CONFIG))
    assert len({tuple(point) for point in measured["losses"]}) == 1
    assert measured["ray_control"] == 0
