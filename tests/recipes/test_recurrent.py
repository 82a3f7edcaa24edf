from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.recipes.continual import recurrent as recipe

COPY = recipe.Config(
    num_tasks=3, steps=3, sizes=(40, 10, 10), units=5, hypernet=(6,), task_features=3, chunk_features=3, chunk=30
)
ROWS = replace(COPY, source="digits")


def _state(model: nn.Module, config: recipe.Config) -> lab.train.State:
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(p for p in model.parameters() if p.requires_grad)
    return lab.train.State(model=model, config=config, generator=generator, optimizer=optimizer, task=1)


def test_an_image_is_read_row_by_row():
    net, images = recipe.Reader(8, units=5, heads=1, outputs=2), torch.rand(3, 1, 8, 8)
    states, _ = net.rnn(torch.stack([images[:, 0, row] for row in range(8)], dim=1))
    torch.testing.assert_close(net(images)[:, :, 0], net.output(states))


def test_copying_has_outputs_of_each_tasks_own_and_images_share_theirs():
    for config, count in ((COPY, 3), (ROWS, 1)):
        net, task = recipe.build_target(config), recipe.data(config)[2]
        batch = task.train[:4]
        outputs = net(batch.inputs)
        assert outputs.shape[2] == count
        found = recipe.answers(outputs, batch)
        expected = outputs[:, -3:, 2] if count > 1 else outputs[:, -1, 0]
        assert found.equal(expected)


def test_bits_are_summed_over_time_steps_and_only_where_asked():
    logits, bits = torch.randn(4, 3, 7), torch.randint(2, (4, 3, 7)).float()
    expected = sum(F.binary_cross_entropy_with_logits(logits[:, t], bits[:, t]) for t in range(3))
    torch.testing.assert_close(recipe.task_loss(logits, bits), expected)
    batch = recipe.data(COPY)[0].train[:4]
    outputs = torch.randn(4, 7, 3, 7)
    other = outputs.clone()
    other[:, :4] += 1.0  # while the pattern is read, whatever comes out is right
    assert recipe.answers(other, batch).equal(recipe.answers(outputs, batch))


def test_the_generated_matrix_is_made_orthogonal_and_nothing_else():
    weights = {spec.name: torch.randn(spec.shape) for spec in hd.ParamLayout.of(recipe.build_target(COPY))}
    layout = hd.ParamLayout.of(recipe.build_target(COPY))
    matrix = weights["rnn.weight_hh_l0"]
    expected = (matrix @ matrix.T - torch.eye(5)).square().sum()
    torch.testing.assert_close(recipe.orthogonality(weights, layout), expected)
    model = recipe.build(COPY)
    parts = recipe.step(model, recipe.data(COPY)[1].train[:4], _state(model, COPY))
    generated = model.generate(torch.tensor(1))["rnn.weight_hh_l0"]
    torch.testing.assert_close(parts["orthogonality"], (generated @ generated.T - torch.eye(5)).square().sum())


def test_the_step_keeps_what_is_generated_for_earlier_tasks():
    model = recipe.build(COPY)
    state = _state(model, COPY)
    lab.train.keep_earlier_tasks(model, state)
    batch = recipe.data(COPY)[1].train[:4]
    parts = recipe.step(model, batch, state)
    loss = parts["task"] + COPY.orthogonal * parts["orthogonality"]
    torch.testing.assert_close(parts["keep"], lab.train.change_of_earlier_tasks(model, state, loss))
    torch.testing.assert_close(parts["loss"], loss + COPY.beta * parts["keep"])


@pytest.mark.parametrize("config", [COPY, ROWS], ids=["copy", "rows"])
def test_importance_is_that_of_the_tasks_own_loss(config):
    model = recipe.build_plain(config)
    state, task = _state(model, config), recipe.data(config)[1]
    state.config = replace(config, fisher=3)
    recipe.measure_importance(model, task, state)
    squares = torch.zeros_like(model.net.output.bias)
    for i in range(3):
        batch = task.train[torch.tensor([i])]
        loss = recipe.task_loss(recipe.answers(model.net(batch.inputs), batch), batch.targets)
        squares += torch.autograd.grad(loss, model.net.output.bias)[0].square() / 3
    torch.testing.assert_close(state.memory["importance"]["output.bias"], squares)
    assert recipe.plain_step(model, task.train[:4], state)["keep"].item() == 0
    with torch.no_grad():
        model.net.output.bias += 1.0
    torch.testing.assert_close(recipe.plain_step(model, task.train[:4], state)["keep"], squares.sum() / 2)


def test_accuracy_counts_bits_and_images():
    model = recipe.build(COPY).eval()
    task = recipe.data(COPY)[2]
    batch = task.test[:]
    told = recipe.answers(model(batch.inputs, context=batch.context), batch) > 0
    assert recipe.evaluate(model, task)["accuracy"] == pytest.approx(
        (told == batch.targets.bool()).float().mean().item()
    )


@pytest.mark.parametrize("name", ["num_tasks", "steps", "units", "chunk", "fisher"])
def test_sizes_are_checked_before_the_first_task(name):
    with pytest.raises(ConfigError, match=f"{name}: expected 1 or more, got 0"):
        replace(COPY, **{name: 0})
