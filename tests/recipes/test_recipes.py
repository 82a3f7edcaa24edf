"""Every recipe of the package in its tiny setting: offline, in seconds."""

import math
import time
from collections.abc import Sequence

import pytest
import torch

import hyperdnn as hd
from hyperdnn import lab
from hyperdnn.lab._discover import configs, configuration, discover, load

RECIPES = {recipe.name: recipe for recipe in discover()}
SECONDS = 3.0  # of one core, for all variants of a recipe together


def _start(name: str) -> tuple[lab.Recipe, lab.train.State, lab.data.Batch]:
    """The recipe's own system before training, with its optimiser and a batch."""
    recipe, config = load(name), configuration(name, "tiny")
    lab.seed_everything(config.seed)
    data, model = recipe.data(config), recipe.build(config)
    generator = torch.Generator().manual_seed(config.seed)
    optimizer = config.train.make_optimizer(model.parameters())
    state = lab.train.State(model=model, config=config, generator=generator, optimizer=optimizer)
    task = data[0] if isinstance(data, Sequence) else data
    return recipe, state, task.train.sample(config.train.batch_size, generator=generator)


@torch.no_grad()
def _forget(module: torch.nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        parameter.fill_(0.5)


def _loss(recipe: lab.Recipe, state: lab.train.State, batch: lab.data.Batch) -> float:
    torch.manual_seed(0)
    state.generator.manual_seed(0)
    return recipe.step(state.model.eval(), batch, state)["loss"].item()


@pytest.mark.parametrize("name", RECIPES)
def test_one_step_lowers_the_loss(name):
    recipe, state, batch = _start(name)
    before = recipe.step(state.model, batch, state)["loss"]
    before.backward()
    state.optimizer.step()
    after = recipe.step(state.model, batch, state)["loss"]
    assert after < before


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Everything that training and measuring import on their way is imported: a recipe is not to answer for it."""
    names = ("continual/task_conditioned", "uncertainty/hypernet_dropout")
    for name in names:
        lab.run(name, configuration(name, "tiny"), folder=tmp_path_factory.mktemp("first"), seeds=[0])


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.usefixtures("imported")
def test_every_variant_runs_and_measures_what_is_claimed(name, tmp_path):
    start = time.process_time()
    results = lab.run(name, configuration(name, "tiny"), folder=tmp_path, seeds=[0])
    seconds = time.process_time() - start
    values = {f"{v}/{m}": s["mean"] for v, metrics in lab.report.measured(results).items() for m, s in metrics.items()}
    assert list(results["metrics"]) == list(load(name).variants)
    assert all(map(math.isfinite, values.values()))
    assert {claim.metric for claim in RECIPES[name].claims} <= values.keys()
    assert seconds < SECONDS


@pytest.mark.parametrize("name", RECIPES)
def test_figures_come_from_the_results(name, tmp_path):
    figures = load(name).figures
    assert figures is not None  # every page shows what came of it
    results = lab.run(name, configuration(name, "tiny"), folder=tmp_path, seeds=[0])
    assert figures(results)


@pytest.mark.parametrize("name", RECIPES)
def test_the_model_is_saved_and_loaded(name, tmp_path):
    recipe, state, batch = _start(name)
    model = state.model
    if not isinstance(model, hd.HyperDNN):  # a module of the recipe's own is saved as torch saves modules
        before = _loss(recipe, state, batch)
        state.model = recipe.build(state.config).apply(_forget)
        state.model.load_state_dict(model.state_dict())
        assert _loss(recipe, state, batch) == before
        return
    own = isinstance(model.hypernet, hd.Hypernet)
    noise = getattr(model.hypernet.encoder, "sample", None) if own else None
    context = batch.context if noise is None else noise()
    model.save_pretrained(tmp_path)
    other = recipe.build(state.config).hypernet.apply(_forget)
    named = {"head": other.head} if own and isinstance(other.head, hd.heads.Join) else {}
    mine = named if own else {"hypernet": other}
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=model.bake(context), **mine)
    outputs = []
    for module in (model, loaded):
        torch.manual_seed(0)  # a distribution over weights draws in every call
        outputs.append(module.eval()(batch.inputs, context=context))
    assert outputs[1].equal(outputs[0])


@pytest.mark.parametrize("name", RECIPES)
def test_every_configuration_fits_and_every_claim_has_one(name):
    settings = configs(RECIPES[name])
    assert "tiny" in settings
    for setting in settings:
        configuration(name, setting)
    assert {setting for claim in RECIPES[name].claims for setting in claim.settings} <= settings.keys()


@pytest.mark.parametrize("name", RECIPES)
def test_the_text_says_what_is_faithful_what_differs_and_what_to_expect(name):
    text = RECIPES[name].text
    assert [word for word in ("Faithful.", "Differs.", "Expected.") if word not in text] == []


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_searched_by_default_fits(name):
    space = load(name).space
    assert dict(RECIPES[name].space) == dict(space)
    if space:
        assert lab.tuning.read_space(space, configuration(name, "tiny"))
