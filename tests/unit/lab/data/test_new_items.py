import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import Adaptation, NewItems, simulated_ratings

USERS, ITEMS, SHOTS = 40, 20, 4


@pytest.fixture
def items():
    numbers = torch.arange(USERS, dtype=torch.float32)[:, None]  # users can be told by what is known of them
    return NewItems(users=numbers, ratings=simulated_ratings(USERS, ITEMS, seed=0), shots=SHOTS, targets=6)


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_ratings_belong_to_their_users_and_items(items):
    batch = items.every(torch.full((ITEMS,), 2), generator=_generator())
    for item in range(ITEMS):
        for users, ratings, there in (
            (batch.given_users, batch.given, batch.is_given),
            (batch.asked_users, batch.asked, batch.is_asked),
        ):
            chosen = users[item, there[item], 0].long()
            assert ratings[item, there[item]].equal(items.ratings.values[chosen, item])
            assert items.ratings.known[chosen, item].all()
    assert batch.about.equal(items.ratings.about)


def test_nobody_is_given_and_asked_and_all_others_are_asked(items):
    batch = items.every(torch.full((ITEMS,), SHOTS), generator=_generator())
    for item in range(ITEMS):
        given = batch.given_users[item, batch.is_given[item], 0].tolist()
        asked = batch.asked_users[item, batch.is_asked[item], 0].tolist()
        assert len(given) == SHOTS
        assert sorted(given + asked) == items.ratings.known[:, item].nonzero().flatten().tolist()


def test_the_same_users_are_asked_whatever_is_given(items):
    none, many = (items.every(torch.full((ITEMS,), shots), generator=_generator()) for shots in (0, 3))
    assert none.asked.equal(many.asked)
    assert none.is_given.sum() == 0
    assert many.is_given.sum(1).tolist() == [3] * ITEMS
    assert many.given.equal(none.given)


def test_batches_have_every_number_of_ratings_from_none_on(items):
    batch = items.sample(500, generator=_generator())
    assert batch.is_given.sum(1).unique().tolist() == list(range(SHOTS + 1))
    assert batch.asked.shape == (500, 6)
    assert not items.sample(500, generator=_generator(1)).asked.equal(batch.asked)


def test_errors_count_what_there_is(items):
    batch = items.every(torch.zeros(ITEMS, dtype=torch.long), generator=_generator())
    off = torch.where(batch.is_asked, batch.asked + 2.0, 1e6)
    torch.testing.assert_close(batch.squared_errors(off), torch.full((ITEMS,), 4.0))


def test_an_item_with_nothing_left_to_ask_for_is_refused(items):
    least = int(items.ratings.known.sum(0).min())
    with pytest.raises(ConfigError, match=f"fewer than the {least} ratings that one of the items has, got {least}"):
        NewItems(users=items.users, ratings=items.ratings, shots=least, targets=1)


def test_moving_keeps_everything(items):
    moved = Adaptation(train=items, validation=items).to("cpu")
    assert moved.train.users.equal(items.users)
    assert moved.validation.shots == SHOTS
