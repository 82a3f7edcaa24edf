from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from hyperdnn import inspect, lab
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.reinforcement import hyperl as recipe

CONFIG = configuration("reinforcement/hyperl", "tiny")
WHERE = recipe.data(CONFIG)


def critics(**changes):
    torch.manual_seed(0)
    return recipe.build_generated(replace(CONFIG, **changes), WHERE)


def trunk(hypernet, states):
    """The published trunk, layer by layer."""
    rows = states
    for layer in hypernet.body:
        if isinstance(layer, torch.nn.Linear):
            rows = layer(rows)
        else:
            _, first, _, second = layer.layers
            rows = rows + second(F.relu(first(F.relu(rows))))
    return rows


def test_each_critic_is_the_published_network_of_the_action():
    model, states, actions = critics(), torch.randn(5, 4), torch.randn(5, 2)
    found = model(states, actions)
    assert found.shape == (5, 2)
    for k, hypernet in enumerate(model.model.hypernet.hypernets):
        w1, b1, s1, w2, b2, s2 = (linear(trunk(hypernet, states)) for linear in hypernet.head.linears)
        for i, action in enumerate(actions):
            hidden = F.relu(w1[i].view(-1, 2) @ action * (1 + s1[i]) + b1[i])
            expected = (w2[i] @ hidden) * (1 + s2[i]) + b2[i]
            torch.testing.assert_close(found[i, k], expected.squeeze())


def test_the_two_share_nothing():
    model, states, actions = critics(), torch.randn(5, 4), torch.randn(5, 2)
    first, second = model.model.hypernet.hypernets
    gradients = torch.autograd.grad(model(states, actions)[:, 0].sum(), second.parameters(), allow_unused=True)
    assert all(gradient is None or not gradient.any() for gradient in gradients)
    gradients = torch.autograd.grad(model(states, actions)[:, 0].sum(), first.parameters(), allow_unused=True)
    assert all(gradient is not None and gradient.any() for gradient in gradients[-4:])


def test_it_starts_within_the_published_bounds():
    hypernet = critics(trunk=(64, 1024), units=64).model.hypernet.hypernets[0]
    for layer in hypernet.body.modules():
        if isinstance(layer, torch.nn.Linear):
            assert layer.weight.abs().max().item() == pytest.approx(0.5 * layer.in_features**-0.5, rel=0.05)
    for linear, bound in zip(hypernet.head.linears, (0.05, 0.05, 0.05, 0.008, 0.008, 0.008), strict=True):
        assert linear.weight.abs().max().item() == pytest.approx(bound, rel=0.05)
        assert not linear.bias.any()


def test_a_narrow_trunk_makes_weights_as_spread_as_a_wide_one():
    spreads = []
    for width in (64, 1024):
        head = critics(trunk=(width,), units=128).model.hypernet.hypernets[0].head
        rows = torch.randn(200, width)
        spreads.append(head(rows)["nets.0.0.weight"].std().item())
    assert spreads[0] == pytest.approx(spreads[1], rel=0.1)


def test_the_policy_s_gradient_passes_the_action_alone():
    """Of a state that is given twice, once to the policy and once to the hypernet, only the first way leads back."""
    model, states = critics(), torch.randn(5, 4)
    actions = torch.randn(5, 2, requires_grad=True)
    (found,) = torch.autograd.grad(model(states, actions)[:, 0].sum(), actions)
    weights = model.model.generate((states, states))
    for i in range(5):
        one = {name: tensor[i].detach() for name, tensor in weights.items()}
        action = actions[i].detach().requires_grad_()
        (expected,) = torch.autograd.grad(model.model.target(one, action[None])[0, 0], action)
        torch.testing.assert_close(found[i], expected)


def test_the_other_way_round_the_action_makes_a_network_of_the_state():
    model = recipe.build(CONFIG, by_action=True)
    hypernet = model.critics.model.hypernet.hypernets[0]
    assert hypernet.encoder.features == 2
    assert hypernet.layout["nets.0.0.weight"].shape == (CONFIG.units, 4)
    assert model(torch.randn(3, 4), torch.randn(3, 2)).shape == (3, 2)


def test_the_copies_are_of_the_hypernet():
    model = recipe.build(CONFIG)
    assert [name for name, _ in model.slow_critics.named_parameters()] == [
        name for name, _ in model.critics.named_parameters()
    ]


def test_matched_critics_have_as_many_parameters():
    models = [build(CONFIG).critics for build in (recipe.build, recipe.build_matched)]
    wanted, found = (sum(parameter.numel() for parameter in model.parameters()) for model in models)
    assert wanted <= found < 1.05 * wanted
    assert [net[0].in_features for net in models[1].nets.nets] == [6, 6]


@pytest.mark.parametrize(("build", "rate"), [(recipe.build, 1e-3), (recipe.build_matched, 2e-3)])
def test_each_kind_of_critic_has_its_rate(build, rate):
    train = replace(CONFIG.train, iterations=1, lr=1e-3)
    config = replace(CONFIG, concatenated_lr=2e-3, train=train)
    seen = []

    def step(model, batch, state):
        seen.append(state.optimizer.param_groups[0]["lr"])
        return recipe.RECIPE.step(model, batch, state)

    state = lab.train.State(model=build(config), config=config, generator=torch.Generator().manual_seed(0))
    measure = dict.fromkeys(["score"], 0.0)
    recipe.roll(state, WHERE, train, step=step, evaluate=lambda model, where: measure, log=lab.train.Log(None))
    assert seen == [rate]


def test_observations_are_scaled_for_critics_and_policy():
    model, states, actions = recipe.build_concatenated(CONFIG), torch.randn(3, 4), torch.randn(3, 2)
    expected = model.critics(states / WHERE.scale, actions)
    torch.testing.assert_close(model(states, actions), expected)
    torch.testing.assert_close(model.act(states), WHERE.optimum(states))


def test_a_critic_that_is_right_has_a_cosine_of_one():
    model = recipe.build_concatenated(CONFIG)
    system = WHERE.optimum.__self__

    class Right(torch.nn.Module):
        def forward(self, states, actions):
            return 3 * system.value(states * WHERE.scale, actions)[:, None].expand(-1, 2)

    model.critics = Right()
    found = recipe.evaluate(model, WHERE)
    assert found["cosine"] == pytest.approx(1, abs=1e-4)
    assert found["score"] == pytest.approx(sum(found["scores"]) / len(found["scores"]))


def test_on_gymnasium_s_pendulum_a_policy_is_learnt():
    pytest.importorskip("gymnasium")
    config = replace(CONFIG, environment="Pendulum-v1", episodes=1, train=replace(CONFIG.train, iterations=6))
    model = recipe.build(config)
    assert model.learns
    state = lab.train.State(model=model, config=config, generator=torch.Generator().manual_seed(0))
    before = [parameter.detach().clone() for parameter in model.policy.parameters()]
    outcome = recipe.RECIPE.loop(
        state,
        recipe.data(config),
        config.train,
        step=recipe.RECIPE.step,
        evaluate=recipe.evaluate,
        log=lab.train.Log(None),
    )
    assert "cosine" not in outcome.metrics
    assert outcome.metrics["return"] < 0
    assert not all(one.equal(other) for one, other in zip(before, model.policy.parameters(), strict=True))


def test_it_is_what_the_review_calls_it():
    found = inspect.classify(recipe.build(CONFIG).critics.model, conditioned_on="data")
    assert (found.input.values, found.output.values) == (("data-conditioned",), ("generate multiple",))
    assert found.input_variability.values == ("dynamic",)
