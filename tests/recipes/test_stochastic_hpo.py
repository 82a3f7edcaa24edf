"""What a naive reading of the publication gets wrong."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.hyperparameter import stochastic_hpo as recipe


@pytest.fixture
def config() -> recipe.Config:
    return configuration("hyperparameter/stochastic_hpo", "tiny")


def _variant(config: recipe.Config, name: str) -> tuple[torch.nn.Module, recipe.Config]:
    variant = recipe.RECIPE.variants[name]
    changed = lab.config.override(config, dict(variant.changes))
    return (variant.build or recipe.build)(changed), changed


def _state(model: torch.nn.Module, config: recipe.Config) -> lab.train.State:
    return lab.train.State(model=model, config=config, generator=torch.Generator().manual_seed(0))


def _batch(config: recipe.Config) -> lab.data.TwoLevelBatch:
    return recipe.data(config).train.sample(20, generator=torch.Generator().manual_seed(0))


def _shake(model: recipe.Tuned) -> None:
    """Weights that differ from zero, as after some training."""
    torch.manual_seed(0)
    torch.nn.init.normal_(model.response.hypernet.head.linear.weight, std=0.05)


def _reached(model: torch.nn.Module) -> set[str]:
    return {name.partition(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}


@pytest.mark.parametrize("name", ["global", "local", "each weight"])
def test_no_player_moves_the_other(config: recipe.Config, name: str) -> None:
    model, changed = _variant(config, name)
    _shake(model)
    batch, state = _batch(changed), _state(model, changed)
    for state.step, player in ((0, "response"), (changed.times - 1, "response"), (changed.times, "penalties")):
        model.zero_grad()
        recipe.IN_TURNS(model, batch, state)["loss"].backward()
        assert _reached(model) == {player}


def test_the_global_algorithm_trains_one_after_the_other(config: recipe.Config) -> None:
    plan = recipe.RECIPE.loop.keywords["plan"]
    assert [(stage.part, stage.step) for stage in plan] == [("response", None), ("penalties", recipe.tune)]
    assert plan[1].settings(config) is config.tuning
    model, _ = _variant(config, "global")
    recipe.respond(model, _batch(config), _state(model, config))["loss"].backward()
    assert model.penalties[0].grad is None  # not even before anything is frozen


def test_each_drawn_penalty_has_a_loss_of_its_own(config: recipe.Config) -> None:
    model, _ = _variant(config, "global")
    _shake(model)
    batch = _batch(config)
    penalties = config.middle + config.spread * batch.noise
    assert len(penalties) == config.samples == 2
    inputs, classes = batch.train.inputs.flatten(1), F.one_hot(batch.train.targets, 10).float()
    expected = []
    for penalty in penalties:
        flat = model.answer(penalty)
        outputs = F.linear(inputs, flat[:640].view(10, 64), flat[640:])
        expected.append(F.mse_loss(outputs, classes) + penalty.exp().squeeze() * flat.square().sum())
    loss = recipe.respond(model, batch, _state(model, config))["loss"]
    torch.testing.assert_close(loss, torch.stack(expected).mean())


def test_a_penalty_for_each_weight_meets_its_weight(config: recipe.Config) -> None:
    model, changed = _variant(config, "each weight")
    _shake(model)
    batch = _batch(changed)
    penalties = torch.randn(1, 650)
    weights = model.answer(penalties)
    both = recipe.penalised(model.response.target, weights, batch.train, penalties)
    alone = recipe.losses(model.response.target, weights, batch.train)
    by_hand = sum(math.exp(p) * w**2 for p, w in zip(penalties[0].tolist(), weights[0].tolist(), strict=True))
    assert (both - alone).item() == pytest.approx(by_hand, rel=1e-4)


def test_there_is_no_penalty_in_the_loss_that_tunes(config: recipe.Config) -> None:
    model, _ = _variant(config, "global")
    _shake(model)
    batch = _batch(config)
    flat = model.answer(model.present()[None])
    outputs = F.linear(batch.validation.inputs.flatten(1), flat[0, :640].view(10, 64), flat[0, 640:])
    expected = F.mse_loss(outputs, F.one_hot(batch.validation.targets, 10).float())
    torch.testing.assert_close(recipe.tune(model, batch, _state(model, config))["loss"], expected)


@pytest.mark.parametrize("name", ["local", "each weight"])
def test_the_local_hypernet_reads_how_far_a_penalty_is_from_the_present_one(config: recipe.Config, name: str) -> None:
    model, _ = _variant(config, name)
    _shake(model)
    offset = 0.1 * torch.randn(3, len(model.present()))
    before = model.answer(model.present() + offset)
    with torch.no_grad():
        model.penalties[0].add_(1.5)
    torch.testing.assert_close(model.answer(model.present() + offset), before, atol=1e-5, rtol=1e-4)
    seen = []
    model.response.hypernet.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model.answer(model.present())
    assert seen[0].eq(0).all()
    (slope,) = torch.autograd.grad(model.answer(model.present()).square().sum(), model.penalties[0])
    assert slope.isfinite().all()


def test_the_gradient_of_the_penalties_is_that_of_the_response(config: recipe.Config) -> None:
    model, changed = _variant(config, "each weight")
    _shake(model)
    torch.nn.init.normal_(model.response.hypernet.head.linear.bias, std=0.1)
    model = model.double()
    batch, state = _batch(changed), _state(model, changed)
    batch = lab.data.TwoLevelBatch(
        train=batch.train,
        validation=lab.data.Batch(
            context=batch.validation.context, inputs=batch.validation.inputs.double(), targets=batch.validation.targets
        ),
        noise=batch.noise.double(),
    )
    (slope,) = torch.autograd.grad(recipe.tune(model, batch, state)["loss"], model.penalties[0])
    step, values = 1e-4, []
    for sign in (1, -1):
        offset = torch.zeros_like(model.penalties[0]).index_fill(0, torch.tensor([7]), sign * step)
        weights = model.answer(model.present() + offset)
        values.append(recipe.losses(model.response.target, weights[None], batch.validation).item())
    assert slope[7].item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4)


def test_the_best_response_is_what_training_comes_to(config: recipe.Config) -> None:
    task = recipe.data(config).task
    target = recipe.build(config).response.target
    for penalties in (torch.full((1,), -2.0), torch.linspace(-3, 0, 650)):
        best = recipe.exact(task, penalties)
        weights = best.clone().requires_grad_()
        loss = recipe.penalised(target, weights[None], task.train[:], penalties)
        (slope,) = torch.autograd.grad(loss.sum(), weights)
        assert slope.abs().max() < 1e-6
        assert best.abs().max() > 1e-2


def test_penalties_stay_within_bounds_and_can_come_back(config: recipe.Config) -> None:
    model, _ = _variant(config, "each weight")
    with torch.no_grad():
        model.penalties[0].fill_(7.0)
    present = model.present()
    assert present.eq(recipe.BOUNDS[1]).all()
    (slope,) = torch.autograd.grad(present.sum(), model.penalties[0])
    assert slope.eq(1).all()


def test_networks_of_the_grid_are_trained_apart(config: recipe.Config) -> None:
    model, changed = _variant(config, "grid")
    batch = _batch(changed)
    with torch.no_grad():
        model.rows.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    together = torch.autograd.grad(recipe.search(model, batch, _state(model, changed))["loss"], model.rows)[0]
    assert model.get_buffer("penalties")[:, 0].tolist() == pytest.approx([-6, -3.5, -1, 1.5, 4])
    for k, penalty in enumerate(model.get_buffer("penalties")):
        row = model.rows[k].detach().requires_grad_()
        loss = recipe.penalised(model.target, row[None], batch.train, penalty)
        torch.testing.assert_close(together[k], torch.autograd.grad(loss.sum(), row)[0])


def _gradients(config: recipe.Config, name: str) -> int:
    """Of how many networks training takes one."""
    _, changed = _variant(config, name)
    if name in {"grid", "random"}:
        return changed.networks * changed.search.iterations
    if name == "global":
        return changed.train.iterations * changed.samples + changed.tuning.iterations
    rounds, rest = divmod(changed.train.iterations, changed.times + 1)
    return (rounds * changed.times + rest) * changed.samples + rounds


def test_hypernets_take_a_third_of_the_gradients_of_the_grid_and_as_many_as_random_search() -> None:
    config = configuration("hyperparameter/stochastic_hpo", "default")
    assert max(_gradients(config, name) for name in ("global", "local")) <= _gradients(config, "grid") / 3
    assert _gradients(config, "random") == pytest.approx(_gradients(config, "global"), rel=0.05)


def test_the_hypernets_have_the_published_sizes() -> None:
    config = recipe.Config()
    sizes = {name: _variant(config, name)[0].response.hypernet for name in ("global", "local", "each weight")}
    numbers = {name: sum(p.numel() for p in hypernet.parameters()) for name, hypernet in sizes.items()}
    assert numbers == {"global": 400_450, "local": 15_702, "each weight": 164_860}  # local: with a gain and an offset


def test_what_is_found_is_judged_by_the_best_response(config: recipe.Config) -> None:
    model, _ = _variant(config, "local")
    data = recipe.data(config)
    with torch.no_grad():
        found = recipe.evaluate(model, data)
    weights = recipe.exact(data.task, torch.tensor([config.start]))

    def loss(part: lab.data.Split) -> Tensor:
        batch = part[:]
        outputs = F.linear(batch.inputs.flatten(1), weights[:640].view(10, 64), weights[640:])
        return F.mse_loss(outputs, F.one_hot(batch.targets, 10).float())

    assert found["validation"] == pytest.approx(loss(data.task.validation).item(), rel=1e-5)
    assert found["test"] == pytest.approx(loss(data.task.test).item(), rel=1e-5)
    assert len(found["exact"]) == len(found["predicted"]) == 41
    nothing = [loss for _, loss in found["predicted"]]
    assert nothing == pytest.approx([0.1] * 41)  # weights of zero


def test_settings_without_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="times: expected 1 or more, got 0"):
        recipe.Config(times=0)
