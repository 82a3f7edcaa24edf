"""What a naive reading of the publication gets wrong."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.uncertainty import hypergan as recipe


@pytest.fixture
def config() -> recipe.Config:
    return configuration("uncertainty/hypergan", "tiny")


@pytest.fixture
def model(config: recipe.Config) -> recipe.HyperGAN:
    torch.manual_seed(0)
    return recipe.build(config)


def _state(model: torch.nn.Module, config: recipe.Config) -> lab.train.State:
    return lab.train.State(model=model, config=config, generator=torch.Generator().manual_seed(0))


def _batch(config: recipe.Config, size: int = 20) -> lab.data.Batch:
    return recipe.data(config).train.sample(size, generator=torch.Generator().manual_seed(0))


def test_a_layer_comes_from_its_own_code_and_all_codes_from_the_same_noise(model: recipe.HyperGAN) -> None:
    model.eval()
    noise = model.noise.sample(2)
    codes = model.mixer(noise)
    layers = [hypernet.layout.names for hypernet in model.networks.hypernet.hypernets]
    assert codes.shape == (2, 3, 4)
    assert layers == [("0.weight", "0.bias"), ("2.weight", "2.bias"), ("5.weight", "5.bias")]
    before = model.networks.generate(codes.unbind(1))
    for index, names in enumerate(layers):
        changed = codes.clone()
        changed[:, index] += 1.0
        after = model.networks.generate(changed.unbind(1))
        assert [name for name in after if not after[name].equal(before[name])] == list(names)
    other = model.mixer(noise + torch.eye(8)[0])
    assert other.ne(codes).any(-1).all()  # one number of the noise moves every layer's code


def test_drawn_networks_differ_and_none_depends_on_what_else_is_drawn(model: recipe.HyperGAN) -> None:
    with torch.no_grad():
        for _ in range(20):
            model.networks.generate(model.draw(32).unbind(1))  # statistics to run on
    model.eval()
    noise = model.noise.sample(5)
    together = model.networks.generate(model.mixer(noise).unbind(1))
    alone = model.networks.generate(model.mixer(noise[:1]).unbind(1))
    for name, weights in together.items():
        torch.testing.assert_close(weights[:1], alone[name])
        assert weights.std(0).mean() > 0.3 * weights.square().mean().sqrt()
    assert lab.metrics.weight_spread(together) > 0.3


def test_noise_is_added_while_training_only(config: recipe.Config) -> None:
    rows, jitter = torch.zeros(1000, 10), recipe.Jitter(config.jitter)
    assert jitter(rows).std().item() == pytest.approx(0.01, rel=0.1)
    assert jitter.eval()(rows) is rows
    model = recipe.build(dataclasses.replace(config, jitter=0.5))
    assert [part.deviation for part in model.modules() if isinstance(part, recipe.Jitter)] == [0.5] * 4


def test_every_network_sees_the_same_images_and_counts_the_same(model: recipe.HyperGAN, config: recipe.Config) -> None:
    batch = _batch(config)
    torch.manual_seed(1)
    found = recipe.step(model, batch, _state(model, config))
    torch.manual_seed(1)
    codes = model.draw(config.networks)
    weights = model.networks.generate(codes.unbind(1))
    apart = [
        F.cross_entropy(model.networks.call({n: w[k] for n, w in weights.items()}, batch.inputs), batch.targets)
        for k in range(config.networks)
    ]
    torch.testing.assert_close(found["task"], torch.stack(apart).mean())
    torch.testing.assert_close(found["loss"], found["task"] + config.beta * found["codes"] + found["critic"])


def test_the_critic_learns_though_beta_is_zero_and_the_networks_do_not_hear_it(
    model: recipe.HyperGAN, config: recipe.Config
) -> None:
    gradients = {}
    for beta in (0.0, 1.0):
        changed = dataclasses.replace(config, beta=beta)
        model.zero_grad()
        torch.manual_seed(1)
        recipe.step(model, _batch(config), _state(model, changed))["loss"].backward()
        gradients[beta] = {name: p.grad.clone() for name, p in model.named_parameters()}
    differing = {
        name.partition(".")[0] for name in gradients[0.0] if not gradients[0.0][name].equal(gradients[1.0][name])
    }
    assert differing == {"mixer"}
    assert any(gradients[0.0][name].any() for name in gradients[0.0] if name.startswith("critic"))


def test_pretraining_makes_codes_normal_and_leaves_the_rest_alone(config: recipe.Config) -> None:
    config = dataclasses.replace(config, pretrain=150, samples=200)
    torch.manual_seed(0)
    model = recipe.build(config)
    generators = {name: p.clone() for name, p in model.networks.named_parameters()}
    before = lab.losses.normal_moments(model.eval().draw(2000).flatten(1))
    lab.train.stages(
        _state(model, config),
        recipe.data(config),
        config.train,
        step=recipe.step,
        evaluate=lambda model, data: {},
        log=lab.train.Log(),
        plan=recipe.RECIPE.loop.keywords["plan"][:1],
    )
    after = lab.losses.normal_moments(model.eval().draw(2000).flatten(1))
    assert after < 0.2 * before
    assert all(p.equal(generators[name]) for name, p in model.networks.named_parameters())


def test_baselines_predict_with_all_their_networks(config: recipe.Config) -> None:
    inputs = torch.randn(5, 1, 8, 8)
    counts = {}
    for name, variant in recipe.RECIPE.variants.items():
        model = (variant.build or recipe.build)(lab.config.override(config, dict(variant.changes))).eval()
        counts[name] = len(recipe.predictors(model)(inputs))
    assert counts == {"hypernet": 50, "beta 0": 50, "deterministic": 1, "deep ensemble": 2}


def test_a_member_of_the_ensemble_has_the_gradient_that_it_would_have_alone(config: recipe.Config) -> None:
    model, batch = recipe.build_ensemble(config), _batch(config, 14)
    recipe.ensemble_step(model, batch, _state(model, config))["loss"].backward()
    parts = zip(batch.inputs.split(7), batch.targets.split(7), strict=True)
    for index, (inputs, targets) in enumerate(parts):
        loss = F.cross_entropy(model.ensemble(torch.empty(2))(inputs)[index], targets)
        (alone,) = torch.autograd.grad(loss, [model.rows])
        torch.testing.assert_close(model.rows.grad[index], alone[index])


def test_the_published_target_pools_and_the_small_one_strides(config: recipe.Config) -> None:
    small = configuration("uncertainty/hypergan", "default")
    sizes = {}
    for name, changed in (("published", recipe.Config()), ("small", small)):
        with torch.device("meta"):
            net = recipe.build_target(dataclasses.replace(changed, source="digits", kernel=2))
        sizes[name] = [type(layer).__name__ for layer in net]
    assert sizes["published"] == ["Conv2d", "LeakyReLU", "MaxPool2d"] * 2 + ["Flatten", "Linear"]
    assert sizes["small"] == ["Conv2d", "LeakyReLU"] * 2 + ["Flatten", "Linear"]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"networks": 1}, "networks: expected 2 or more"),
        ({"beta": -1.0}, "beta: expected 0 or more"),
        ({"code": 0}, "code: expected 1 or more"),
        ({"samples": 1}, "samples: expected 2 or more"),
    ],
)
def test_what_could_not_be_trained_is_refused_before(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        recipe.Config(**changes)
