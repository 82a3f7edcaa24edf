import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import available, catalogue, movielens, simulated_ratings
from hyperdnn.lab.data._ratings import _year

present = pytest.mark.skipif(not available("movielens_small"), reason="MovieLens is not on this machine: HYPERDNN_DATA")


@present
def test_published_counts():
    ratings = movielens(least=1)
    assert ratings.values.shape == (671, 9066)
    assert int(ratings.known.sum()) == 100_004
    assert ratings.values[ratings.known].unique().tolist() == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]
    assert ratings.about.shape == (9066, 21)
    assert ratings.about[0, -1] == 1995  # Toy Story
    assert ratings.about[0, :-1].nonzero().flatten().tolist() == [2, 3, 4, 5, 9]
    assert int(ratings.known[:, 0].sum()) == 247


@present
def test_rare_movies_can_be_left_out():
    assert len(movielens()) == 1303
    assert int(movielens(least=100).known.sum(0).min()) >= 100
    with pytest.raises(ConfigError, match="no movie has 1000 ratings; the most that one has are 341"):
        movielens(least=1000)


@pytest.mark.parametrize(("title", "year"), [("Heat (1995)", 1995.0), ("Show (2009) (1998) ", 1998.0)])
def test_the_year_stands_at_the_end_of_a_title(title, year):
    assert _year(title) == year
    assert _year("2001: A Space Odyssey") != _year("2001: A Space Odyssey")  # nan


def test_items_are_divided_and_standardised_by_the_first_part():
    ratings = simulated_ratings(50, 40, seed=0)
    divided = catalogue(ratings, seed=1)
    parts = (divided.train, divided.adapt, divided.validation, divided.test)
    assert [len(part) for part in parts] == [18, 12, 4, 6]
    seen = divided.train.values[divided.train.known]
    torch.testing.assert_close(seen.mean(), torch.zeros(()), atol=1e-6, rtol=0)
    torch.testing.assert_close(seen.std(), torch.ones(()))
    assert not any(part.values[~part.known].any() for part in parts)
    columns = torch.cat([part.known for part in parts], dim=1)
    assert {tuple(column) for column in columns.T.tolist()} == {tuple(column) for column in ratings.known.T.tolist()}
    ratings.about[:, 0] = 3.0
    assert catalogue(ratings, seed=1).test.about.isfinite().all()


def test_few_items_are_refused():
    with pytest.raises(ConfigError, match="at least 20 items, got 19"):
        catalogue(simulated_ratings(5, 19, seed=0), seed=0)


def test_users_are_drawn_with_all_their_ratings():
    ratings = simulated_ratings(30, 20, seed=0)
    batch = ratings.sample(7, generator=torch.Generator().manual_seed(0))
    assert batch.values.shape == (7, 20)
    rows = {tuple(row) for row in ratings.values.tolist()}
    assert all(tuple(row) in rows for row in batch.values.tolist())
    assert batch.about is ratings.about
