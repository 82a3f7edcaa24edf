from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from hyperdnn import inspect, lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.continual import task_conditioned as recipe


@pytest.fixture(scope="module")
def split():
    tiny = configuration("continual/task_conditioned", "tiny")
    return replace(tiny, tasks="split", outputs="own", classes_per_task=2)


def _batch(config, task):
    return recipe.data(config)[task].train.sample(8, generator=torch.Generator().manual_seed(0))


def test_a_split_task_is_answered_by_outputs_of_its_own(split):
    model, batch = recipe.build(split).eval(), _batch(split, 3)
    assert len(recipe.data(split)) == 5
    logits = model(batch.inputs, context=batch.context)
    assert logits.shape == (8, 5, 2)
    torch.testing.assert_close(recipe.answers(model, batch), logits[:, 3])


def test_tasks_that_share_their_outputs_use_them_all(split):
    shared = replace(split, outputs="shared")
    model, batch = recipe.build(shared).eval(), _batch(shared, 3)
    logits = model(batch.inputs, context=batch.context)
    assert logits.shape == (8, 2)
    assert recipe.answers(model, batch).equal(logits)


@pytest.mark.parametrize("variant", ["hypernet", "fine-tuning"])
def test_no_other_tasks_outputs_are_in_the_loss(split, variant):
    made = recipe.RECIPE.variants[variant]
    model, step = (made.build or recipe.build)(split), made.step or recipe.step
    batch = _batch(split, 1)
    state = lab.train.State(model=model, config=split, generator=torch.Generator())
    logits = model(batch.inputs, context=batch.context)
    expected = F.cross_entropy(logits[:, 1], batch.targets)
    torch.testing.assert_close(step(model, batch, state)["loss"], expected)


def test_permuted_tasks_have_no_outputs_of_their_own(split):
    with pytest.raises(ConfigError, match="outputs: only split tasks"):
        replace(split, tasks="permuted")


@pytest.mark.parametrize("outputs", ["own", "shared"])
def test_what_is_explored_and_inspected_are_a_tasks_own_outputs(split, outputs):
    config = replace(split, outputs=outputs)
    model, tasks = recipe.build(config).eval(), recipe.data(config)
    view = recipe.view(model, tasks)
    found = inspect.swap(model, view.contexts[0], view.contexts[3], view.probes)
    for k, task in enumerate(tasks):
        expected = [
            F.cross_entropy(logits[:, k] if outputs == "own" else logits, task.test[:100].targets)
            for logits in (model(task.test[:100].inputs, context=context) for context in torch.tensor([0, 3]))
        ]
        assert found.losses[k].tolist() == pytest.approx([loss.item() for loss in expected])
