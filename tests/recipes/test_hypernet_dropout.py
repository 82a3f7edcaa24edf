"""What a naive reading of the publication gets wrong."""

import pytest
import torch

from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.uncertainty import hypernet_dropout as recipe


@pytest.fixture
def config() -> recipe.Config:
    return configuration("uncertainty/hypernet_dropout", "tiny")


def test_draws_are_functions_in_evaluation_and_one_function_without_dropout(config: recipe.Config) -> None:
    # In 64 bits: in 32, some processors round a row of a product by its place.
    model, inputs = recipe.build(config).eval().double(), torch.randn(1, 10, dtype=torch.float64).expand(5, 10)
    outputs = recipe.networks(model, inputs)
    assert outputs.shape == (recipe.DRAWS, 5, 2)
    assert outputs.eq(outputs[:, :1]).all()  # one mask for each set of weights, shared by all samples
    assert len(outputs[:, 0, 0].unique()) > 10  # of the few masks of 16 hidden units, most drop one or two
    same = model.ensemble(torch.zeros(recipe.DRAWS, dtype=torch.long))(inputs)
    assert same.eq(same[:1]).all()


def test_predicting_moves_no_spectral_norm(config: recipe.Config) -> None:
    model = recipe.build(config).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    recipe.networks(model, torch.randn(5, 10))
    assert any("_u" in name for name in before)
    assert all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())


def test_a_step_has_as_many_networks_as_masks_not_as_samples(config: recipe.Config) -> None:
    model = recipe.build(config).train()
    state = lab.train.State(model=model, config=config, generator=torch.Generator())
    batch = recipe.data(config).train.sample(30, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    loss = recipe.step(model, batch, state)["loss"]
    torch.manual_seed(0)
    weights = model.generate(torch.zeros(config.masks, dtype=torch.long))
    apart = [
        lab.losses.gaussian_nll(model.call({n: w[k] for n, w in weights.items()}, batch.inputs), batch.targets).mean()
        for k in range(config.masks)
    ]
    assert len(set(apart)) == config.masks == 2
    assert loss.item() == pytest.approx(torch.stack(apart).mean().item(), rel=1e-2)  # a spectral norm moves with a call


def test_only_the_noise_is_trained_beside_the_hypernet(config: recipe.Config) -> None:
    model = recipe.build(config)
    assert [name for name, _ in model.target.named_parameters()] == ["module.log_scale"]


def test_every_variant_predicts_with_as_many_networks(config: recipe.Config) -> None:
    inputs = torch.randn(5, 10)
    for variant in recipe.RECIPE.variants.values():
        changed = lab.config.override(config, dict(variant.changes))
        model = (variant.build or recipe.build)(changed).eval()
        assert recipe.networks(model, inputs).shape == (recipe.DRAWS, 5, 2)


def test_members_of_the_ensemble_learn_from_their_own_samples(config: recipe.Config) -> None:
    model = recipe.build_ensemble(config)
    state = lab.train.State(model=model, config=config, generator=torch.Generator())
    batch = lab.data.Batch(
        context=torch.tensor(0), inputs=torch.randn(10 * config.members, 10), targets=torch.randn(10 * config.members)
    )
    own = recipe.ensemble_step(model, batch, state)["loss"]
    apart = [
        lab.losses.gaussian_nll(model(part.expand(config.members, 10, 10), context=None)[k], targets).mean()
        for k, (part, targets) in enumerate(zip(batch.inputs.split(10), batch.targets.split(10), strict=True))
    ]
    torch.testing.assert_close(own, torch.stack(apart).mean())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"dropout": 0.0}, r"^dropout: expected more than 0 and less than 1, got 0\.0"),
        ({"target_dropout": 1.0}, "^target_dropout: expected more than 0"),
        ({"masks": 0}, "masks: expected 1 or more"),
        ({"members": 0}, "members: expected 1 or more"),
    ],
)
def test_what_could_not_predict_is_refused_before_training(changes: dict[str, float], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        recipe.Config(**changes)
