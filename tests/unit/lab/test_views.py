import pytest
import torch

from hyperdnn import lab
from hyperdnn._torch import tree_leaves
from hyperdnn.lab._discover import configuration, discover, load

VIEWED = [recipe.name for recipe in discover() if load(recipe.name).view is not None]


def _view(name):
    recipe, config = load(name), configuration(name, "tiny")
    lab.seed_everything(0)
    return recipe.view(recipe.build(config).eval(), recipe.data(config))


@pytest.mark.parametrize("name", VIEWED)
def test_every_probe_can_be_run_under_every_context(name):
    view = _view(name)
    assert view.probes
    for probe in view.probes:
        with torch.no_grad():
            found = view.model(probe.inputs, context=view.contexts[:2], data_dims=None)
        outputs = next(leaf for leaf in tree_leaves(found) if leaf.is_floating_point())
        assert outputs.shape[:2] == (min(len(view.contexts), 2), len(probe.inputs))
        if probe.loss is not None:
            assert probe.measured(outputs[0]).ndim == 0
            assert torch.isfinite(probe.measured(outputs[0]))


def test_a_task_is_probed_by_its_own_samples():
    view = _view("continual/task_conditioned")
    tasks = load("continual/task_conditioned").data(configuration("continual/task_conditioned", "tiny"))
    assert [probe.context for probe in view.probes] == list(range(len(tasks)))
    for task, probe in zip(tasks, view.probes, strict=True):
        assert torch.equal(probe.inputs, task.test[:100].inputs)


def test_preferences_are_named_by_their_shares():
    view = _view("multiobjective/pareto_phn")
    assert len(view.contexts) == 25
    assert (
        len({probe.measured(view.model(probe.inputs, context=view.contexts[0])).item() for probe in view.probes}) == 2
    )
    assert view.names[12] == "50% / 50%"


def test_a_picture_has_the_pixels_of_its_original():
    view = _view("implicit/functional_image")
    config = configuration("implicit/functional_image", "tiny")
    pairs = load("implicit/functional_image").data(config).test[:2]
    height, width = view.probes[1].side
    assert torch.equal(view.probes[1].targets.mT.reshape(-1, height, width), pairs.targets[1])
    assert torch.equal(view.contexts[1], pairs.inputs[1])
