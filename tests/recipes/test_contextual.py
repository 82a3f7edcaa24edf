"""What a naive reading of contextual hypernets gets wrong."""

from dataclasses import replace

import pytest
import torch

from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab._discover import configuration, load
from hyperdnn.lab.config import override
from hyperdnn.recipes.tabular import contextual

TINY = configuration("tabular/contextual", "tiny")


@pytest.fixture
def catalogue():
    return contextual.data(TINY)


@pytest.fixture
def model():
    return contextual.build(TINY).eval()


def _every(items, shots):
    count = torch.full((len(items.ratings),), shots)
    return items.every(count, generator=torch.Generator().manual_seed(0))


def test_new_ratings_are_not_seen_by_the_encoder(model, catalogue):
    items = contextual.new_items(model, catalogue.adapt, catalogue.train)
    items.ratings.values.fill_(9.0)
    again = contextual.new_items(model, catalogue.adapt, catalogue.train)
    assert again.users.equal(items.users)
    assert items.users.shape == (60, 2 * TINY.latent)


def test_known_and_new_movies_are_different_ones(catalogue):
    names = ("train", "adapt", "validation", "test")
    columns = [{tuple(column) for column in getattr(catalogue, name).about.tolist()} for name in names]
    assert sum(map(len, columns)) == len(set.union(*columns)) == 60


def test_only_the_base_learns_first_and_only_the_hypernet_afterwards(model, catalogue, tmp_path):
    recipe, seen = load("tabular/contextual"), []

    def watched(model, batch, state):
        seen.append({name.partition(".")[0] for name, one in model.named_parameters() if one.requires_grad})
        return contextual.base_step(model, batch, state)

    state = lab.train.State(model=model, config=TINY, generator=torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    looks = []

    def evaluate(model, data):
        looks.append({name for name, value in model.state_dict().items() if not value.equal(before[name])})
        return {}

    recipe.loop(state, catalogue, TINY.train, step=watched, evaluate=evaluate, log=lab.train.Log())
    assert seen == [{"base"}] * TINY.base.iterations
    assert {name.partition(".")[0] for name in looks[0]} == {"base", "rows"}


def test_a_row_is_generated_for_each_movie_and_read_by_the_users_that_are_asked(model, catalogue):
    items = contextual.new_items(model, catalogue.test, catalogue.train)
    batch = _every(items, 3)
    found = contextual.predict(model, batch)
    for movie in range(len(catalogue.test)):
        pairs = torch.cat([batch.given_users[movie], batch.given[movie, :, None]], dim=-1)
        about = torch.cat([batch.about[movie], torch.tensor([4.0]).log()])
        weights = model.rows.generate(((pairs, batch.is_given[movie]), about))
        hidden = model.base.decode(batch.asked_users[movie, :, : TINY.latent])
        expected = hidden @ weights["weight"].squeeze(0) + weights["bias"]
        torch.testing.assert_close(found[movie], expected)


def test_ratings_that_are_not_given_do_not_leak(model, catalogue):
    items = contextual.new_items(model, catalogue.test, catalogue.train)
    batch = _every(items, 2)
    hidden = torch.where(batch.is_given, batch.given, 1e3)
    other = replace(batch, given=hidden, asked=batch.asked + 1e3)
    torch.testing.assert_close(contextual.predict(model, other), contextual.predict(model, batch))


def test_without_any_rating_metadata_decide(model, catalogue):
    items = contextual.new_items(model, catalogue.test, catalogue.train)
    batch = _every(items, 0)
    found = contextual.predict(model, batch)
    assert found.isfinite().all()
    assert not contextual.predict(model, replace(batch, about=batch.about + 1)).allclose(found)


@pytest.mark.parametrize(("off", "field"), [("metadata", "about"), ("ratings", "given")])
def test_what_a_variant_leaves_out_has_no_influence(off, field, catalogue):
    model = contextual.build(override(TINY, {off: False})).eval()
    batch = _every(contextual.new_items(model, catalogue.test, catalogue.train), 3)
    other = replace(batch, **{field: getattr(batch, field) + 1})
    assert contextual.predict(model, other).equal(contextual.predict(model, batch))


def test_training_has_contexts_without_a_rating(model, catalogue):
    data = contextual.to_adapt(model, catalogue)
    counts = data.train.sample(200, generator=torch.Generator().manual_seed(0)).is_given.sum(1)
    assert counts.unique().tolist() == list(range(TINY.shots + 1))


def test_the_base_is_told_of_a_part_of_the_ratings_and_judged_by_all(model, catalogue, monkeypatch):
    told = []
    encode = type(model.base).encode
    monkeypatch.setattr(type(model.base), "encode", lambda self, *args: told.append(args[1]) or encode(self, *args))
    batch = catalogue.train.sample(50, generator=torch.Generator().manual_seed(0))
    state = lab.train.State(model=model, config=TINY, generator=torch.Generator().manual_seed(0))
    loss = contextual.base_step(model, batch, state)
    assert (told[0] <= batch.known).all()
    share = told[0].sum() / batch.known.sum()
    assert 0.65 < share < 0.85  # half at most is dropped
    assert loss["loss"].item() == pytest.approx((loss["ratings"] + loss["latent"]).item())


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("targets", 0, "1 or more"), ("ridge", 0.0, "more than 0"), ("noise", 0.0, "more than 0")],
)
def test_numbers_that_would_spoil_a_finished_training_are_refused_before_it(name, value, least):
    with pytest.raises(ConfigError, match=f"{name}: expected {least}, got 0"):
        replace(TINY, **{name: value})
