from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from hyperdnn import lab
from hyperdnn.lab import baselines
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.compression import metapruning as recipe

CONFIG = configuration("compression/metapruning", "tiny")
CHOICES = [(0, 0, 0), (2, 2, 2), (1, 0, 2), (0, 2, 1)]
KERNELS = [recipe.generated, recipe.Shared]


@pytest.fixture(scope="module")
def task():
    return recipe.data(CONFIG)


@pytest.fixture
def space():
    torch.manual_seed(0)
    return recipe.build_space(CONFIG)


@pytest.fixture(params=KERNELS)
def model(request):
    torch.manual_seed(0)
    model = recipe.build(CONFIG, kernels=request.param)
    for name, parameter in model.supernet.named_parameters():
        if ".tensors." in name:  # gains and offsets that differ between channels and widths
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model


def build_net(widths):
    return baselines.convolutions((1, CONFIG.side, CONFIG.side), widths, 10, pooled=CONFIG.pooled)


def supernet(model):
    assert model.supernet is not None
    return model.supernet


def narrow(model, choice):
    """The network itself, with the weights cut by hand."""
    weights = supernet(model).generate(torch.tensor(choice))
    net = build_net(model.space.widths(choice))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(weights[name][tuple(slice(n) for n in parameter.shape)])
    return net


def test_shares_become_channels(space):
    assert [space.widths(choice) for choice in CHOICES] == [(2, 3, 4), (4, 6, 8), (3, 3, 8), (2, 6, 6)]


@pytest.mark.parametrize("choice", CHOICES)
def test_the_supernet_is_each_narrow_network(model, choice, task):
    """Cropping kernels is the same as taking gain and offset from the channels that are not there."""
    images = task.train[:16].inputs
    expected = narrow(model, choice).train()(images)
    torch.testing.assert_close(supernet(model)(images, context=torch.tensor(choice)), expected)


def test_several_choices_are_one_batch(model, task):
    images = task.train[:16].inputs
    together = supernet(model)(images, context=torch.tensor(CHOICES), data_dims=None)
    for choice, logits in zip(CHOICES, together, strict=True):
        torch.testing.assert_close(supernet(model)(images, context=torch.tensor(choice)), logits)


def test_gradients_reach_what_is_cropped_and_the_norms_of_these_widths_alone(model, task):
    batch = task.train[:16]
    choice = torch.tensor((1, 0, 2))
    weights = supernet(model).generate(choice)
    for weight in weights.values():
        weight.retain_grad()
    torch.nn.functional.cross_entropy(supernet(model).call(weights, batch.inputs), batch.targets).backward()
    widths = model.space.widths((1, 0, 2))
    for k, (inputs, outputs) in enumerate(zip((1, *widths), widths, strict=False)):
        grad = weights[f"conv{k}.weight"].grad
        inside = grad[:outputs, :inputs]
        assert inside.any()
        assert grad.count_nonzero() == inside.count_nonzero()
    for k, own in enumerate(choice.tolist()):
        norm = supernet(model).hypernet.parts.hypernets[len(widths) + k]
        gains = norm.tensors[0].grad
        assert [bool(row.any()) for row in gains] == [index == own for index in range(3)]


def test_a_kernel_depends_on_the_shares_on_both_sides_alone():
    model = recipe.build(CONFIG)
    kernels = [
        supernet(model).generate(torch.tensor(choice))["conv1.weight"]
        for choice in [(0, 1, 0), (0, 1, 2), (2, 1, 0), (0, 2, 0)]
    ]
    assert kernels[0].equal(kernels[1])
    assert not kernels[0].allclose(kernels[2])
    assert not kernels[0].allclose(kernels[3])
    shared = supernet(recipe.build(CONFIG, kernels=recipe.Shared))
    first, last = (shared.generate(torch.tensor(choice))["conv1.weight"] for choice in (CHOICES[0], CHOICES[1]))
    assert first.equal(last)


def test_a_score_is_the_accuracy_of_the_narrow_network_with_statistics_of_its_own(model, task):
    generator = torch.Generator().manual_seed(CONFIG.seed)
    seen = [task.train.sample(CONFIG.calibrated, generator=generator).inputs for _ in range(CONFIG.calibration)]
    batch = task.validation[:: len(task.validation) // CONFIG.judged]
    for choice in CHOICES:
        expected = lab.metrics.recalibrated_accuracy(narrow(model, choice), seen, batch.inputs, batch.targets)
        assert model.score(task, choice) == expected


def test_networks_of_the_small_setting_cost_what_the_uniform_one_does_within_2_percent(monkeypatch):
    config = configuration("compression/metapruning", "default")
    images = SimpleNamespace(shape=(1, config.side, config.side), classes=10)
    monkeypatch.setattr(recipe, "data", lambda config: images)
    space = recipe.build_space(config)
    cost = space.share(space.uniform())
    assert 0.98 * cost <= config.least * config.limit < cost < config.limit <= 1.02 * cost


def test_the_search_starts_what_is_trained_from_scratch(model, task):
    with torch.no_grad():
        recipe.search(model, task)
    widths, space = model.networks.widths.tolist(), model.space
    assert all(0.25 <= space.share(one) <= 0.5 for one in widths)
    others = [tuple(choice) for choice in model.others.tolist()]
    assert others == space.random(CONFIG.others, seed=CONFIG.seed)
    assert widths[CONFIG.copies :] == [list(space.widths(choice)) for choice in others]


def test_a_run_that_was_killed_after_the_search_goes_on_with_what_was_found(tmp_path, monkeypatch):
    config = replace(CONFIG, scratch=replace(CONFIG.scratch, checkpoint_every=1, iterations=4))
    config = replace(config, train=replace(config.train, iterations=2), population=2, generations=1, judged=20)
    options = {"seeds": [0], "variants": ["hypernet"]}
    whole = lab.run("compression/metapruning", config, folder=tmp_path / "whole", **options)
    step = recipe.scratch_step

    def dying(model, batch, state):
        if state.step == 5:
            raise lab.train.TrainingError("killed")
        return step(model, batch, state)

    search, scratch = recipe.RECIPE.loop.keywords["plan"]
    loop = partial(lab.train.stages, plan=(search, replace(scratch, step=dying)))
    with monkeypatch.context() as patch:
        patch.setattr(recipe, "RECIPE", replace(recipe.RECIPE, loop=loop))
        with pytest.raises(lab.train.TrainingError, match="killed"):
            lab.run("compression/metapruning", config, folder=tmp_path / "killed", **options)
    monkeypatch.setattr(lab.tuning, "evolve", None)  # it is not searched again
    again = lab.run("compression/metapruning", config, folder=tmp_path / "killed", resume=True, **options)
    assert again["metrics"] == whole["metrics"]
    assert again["arrays"] == whole["arrays"]
