from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import Episodes, EpisodeShape, FewShot
from hyperdnn.lab.train import Samples


def numbered(classes: int = 8, samples: int = 6, side: int = 3) -> torch.Tensor:
    """Images whose first pixel tells class and sample; the others differ, so that rotations do too."""
    ids = torch.arange(classes)[:, None] * 100 + torch.arange(samples)
    pixels = torch.arange(side * side).view(side, side)
    return (ids[..., None, None, None] * 1000 + pixels).float()


def source(**changes) -> Episodes:
    return replace(Episodes(stored=numbered(), size=EpisodeShape(ways=3, shots=2, queries=4)), **changes)


def draw(episodes: Episodes, size: int = 50, seed: int = 0):
    return episodes.sample(size, generator=torch.Generator().manual_seed(seed))


def ids(images: torch.Tensor) -> torch.Tensor:
    return images.amin((-3, -2, -1)).long().div(1000, rounding_mode="floor")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5), st.integers(2, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 3), st.booleans())
def test_every_label_is_one_class_and_no_sample_comes_twice(size, ways, shots, queries, others, turns):
    shape = EpisodeShape(ways=ways, shots=shots, queries=queries, others=others)
    episode = draw(source(size=shape, turns=turns), size)
    assert isinstance(source(), Samples)
    assert len(episode) == size
    assert episode.support.shape == (size, ways, shots, 1, 3, 3)
    assert episode.query.shape == (size, ways, queries, 1, 3, 3)
    assert episode.others.shape == (size, others, queries, 1, 3, 3)
    for support, query, rest in zip(ids(episode.support), ids(episode.query), ids(episode.others), strict=True):
        rows = torch.cat([support, query], dim=1)
        assert all(len(set((row // 100).tolist())) == 1 for row in [*rows, *rest])
        classes = [int(row[0] // 100) for row in [*rows, *rest]]
        assert len(set(classes)) == ways + others
        assert len(rows.unique()) == rows.numel()


def test_labels_are_shuffled_and_uniform():
    first = ids(draw(source(), 4000).support)[:, 0, 0] // 100
    counts = first.bincount(minlength=8)
    assert counts.min() > 400  # of 500 expected; five deviations are 105
    assert draw(source()).support_targets[7].tolist() == [[0, 0], [1, 1], [2, 2]]
    assert draw(source()).query_targets.shape == (50, 3, 4)


def test_the_generator_decides_everything():
    first, again, other = draw(source(turns=True)), draw(source(turns=True)), draw(source(turns=True), seed=1)
    assert first.support.equal(again.support)
    assert first.query.equal(again.query)
    assert not first.query.equal(other.query)


def test_a_class_is_turned_as_one():
    episode = draw(source(turns=True), 200)
    images = torch.cat([episode.support, episode.query], dim=2) % 1000
    upright = numbered()[0, 0] % 1000
    turned = torch.stack([upright.rot90(k, (-2, -1)) for k in range(4)])
    which = (images.unsqueeze(3) == turned).flatten(4).all(-1)
    assert which.any(-1).all()
    turns = which.int().argmax(-1)
    assert (turns == turns[:, :, :1]).all()
    assert turns[:, :, 0].flatten().bincount().min() > 100  # of 150
    assert (turns[:, 0] != turns[:, 1]).any()


def test_bytes_become_scaled_floats():
    stored = torch.full((4, 3, 1, 2, 2), 255, dtype=torch.uint8)
    episode = draw(Episodes(stored=stored, size=EpisodeShape(ways=2, shots=1, queries=1), scale=1 / 255), 2)
    assert episode.support.dtype == torch.float32
    torch.testing.assert_close(episode.query, torch.ones(2, 2, 1, 1, 2, 2))


def test_rolled_moves_the_labels_and_keeps_the_problem():
    episode = draw(source())
    rolled = episode.rolled()
    assert rolled.support[:, 1].equal(episode.support[:, 0])
    assert rolled.query[:, 0].equal(episode.query[:, -1])


@pytest.mark.parametrize("others", [0, 2])
def test_features_are_read_in_one_pass(others):
    episode = draw(source(size=EpisodeShape(ways=3, shots=2, queries=4, others=others)), 5)
    calls = []

    def module(images):
        calls.append(len(images))
        return images.flatten(1)[:, :2] * 2

    seen = episode.through(module)
    assert calls == [5 * (3 * 6 + others * 4)]
    assert seen.support.equal(episode.support.flatten(3)[..., :2] * 2)
    assert seen.query.equal(episode.query.flatten(3)[..., :2] * 2)
    assert seen.others.shape == (5, others, 4, 2)
    assert seen.others.equal(episode.others.flatten(3)[..., :2] * 2)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"size": EpisodeShape(ways=7, others=2, queries=1)}, "ways and others: 9 classes .* there are 8"),
        (
            {"size": EpisodeShape(ways=2, shots=3, queries=4)},
            "shots and queries: 7 samples of each class.* there are 6",
        ),
        ({"stored": torch.zeros(8, 6, 1, 3, 4)}, r"expected square images .* got \(8, 6, 1, 3, 4\)"),
        ({"stored": torch.zeros(8, 6)}, r"expected square images"),
    ],
)
def test_what_cannot_be_drawn_is_said(changes, match):
    with pytest.raises(ConfigError, match=match):
        source(**changes)


@pytest.mark.parametrize(("name", "value"), [("ways", 1), ("shots", 0), ("queries", 0), ("others", -1)])
def test_sizes_that_make_no_sense_are_named(name, value):
    with pytest.raises(ConfigError, match=rf"{name}: expected \d or more, got {value}"):
        EpisodeShape(**{name: value})


def test_one_test_has_no_interval():
    part = source()
    with pytest.raises(ConfigError, match="tests: expected 2 or more"):
        FewShot(name="", train=part, validation=part, test=part, tests=1)


def test_moving_keeps_everything_else():
    part = source(turns=True)
    data = FewShot(name="numbers", train=part, validation=part, test=part, tests=7)
    moved = data.to("cpu")
    assert (moved.name, moved.tests, moved.shape, moved.train.turns) == ("numbers", 7, (1, 3, 3), True)
    assert draw(part).to("cpu").query.equal(draw(part).query)
