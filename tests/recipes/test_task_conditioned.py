from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from hyperdnn import lab
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
    assert logits.shape == (8, 10)
    torch.testing.assert_close(recipe.answers(model, batch, 2), logits[:, 6:8])


def test_tasks_that_share_their_outputs_use_them_all(split):
    shared = replace(split, outputs="shared")
    model, batch = recipe.build(shared).eval(), _batch(shared, 3)
    logits = model(batch.inputs, context=batch.context)
    assert logits.shape == (8, 2)
    assert recipe.answers(model, batch, 2).equal(logits)


@pytest.mark.parametrize("variant", ["hypernet", "fine-tuning"])
def test_no_other_tasks_outputs_are_in_the_loss(split, variant):
    made = recipe.RECIPE.variants[variant]
    model, step = (made.build or recipe.build)(split), made.step or recipe.step
    batch = _batch(split, 1)
    state = lab.train.State(model=model, config=split, generator=torch.Generator())
    logits = model(batch.inputs, context=batch.context)
    expected = F.cross_entropy(logits[:, 2:4], batch.targets)
    torch.testing.assert_close(step(model, batch, state)["loss"], expected)


def test_permuted_tasks_have_no_outputs_of_their_own(split):
    with pytest.raises(ConfigError, match="outputs: only split tasks"):
        replace(split, tasks="permuted")
