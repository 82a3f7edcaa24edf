import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from hyperdnn.lab.baselines import mean_of_given, ridge_on_given
from hyperdnn.lab.data import NewItems, simulated_ratings


@pytest.fixture
def items():
    users = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    return NewItems(users=users, ratings=simulated_ratings(40, 20, seed=0), shots=6, targets=5)


def _batch(items, shots):
    return items.every(torch.full((20,), shots), generator=torch.Generator().manual_seed(0))


def test_the_mean_is_of_what_is_given(items):
    batch = _batch(items, 2)
    assert mean_of_given(batch)[5].tolist() == pytest.approx([batch.given[5, :2].mean().item()] * batch.asked.shape[1])
    assert not mean_of_given(_batch(items, 0)).any()


@pytest.mark.parametrize("shots", [1, 2, 6])
def test_ridge_is_that_of_scikit_learn_around_the_mean_row(shots, items):
    batch, rows = _batch(items, shots), torch.randn(9, 4)
    found = ridge_on_given(batch, rows=rows, strength=2.0)
    for item in (0, 7):
        given, asked = (
            np.pad(u[item].numpy(), ((0, 0), (0, 1)), constant_values=1.0)
            for u in (batch.given_users[:, :shots], batch.asked_users)
        )
        row = rows.mean(0).numpy()
        ridge = Ridge(alpha=2.0, fit_intercept=False).fit(given, batch.given[item, :shots].numpy() - given @ row)
        np.testing.assert_allclose(found[item].numpy(), asked @ row + ridge.predict(asked), atol=1e-4)


def test_without_ratings_ridge_is_the_mean_row(items):
    batch, rows = _batch(items, 0), torch.randn(9, 4)
    found = ridge_on_given(batch, rows=rows, strength=2.0)
    torch.testing.assert_close(found, batch.asked_users @ rows[:, :3].mean(0) + rows[:, 3].mean())
