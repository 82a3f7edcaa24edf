import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hyperdnn.errors import ConfigError
from hyperdnn.lab.metrics import rank_agreement


def _by_scipy(scores: list[float], outcomes: list[float]) -> tuple[float, float]:
    with warnings.catch_warnings(action="ignore"):  # of constant input, whose correlation is nan there too
        return stats.spearmanr(scores, outcomes).statistic, stats.kendalltau(scores, outcomes).statistic


def test_by_hand() -> None:
    found = rank_agreement(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.1, 0.3, 0.2, 0.4]))
    assert found["kendall"] == pytest.approx((5 - 1) / 6)
    assert found["spearman"] == pytest.approx(1 - 6 * 2 / (4 * 15))


@given(st.integers(3, 12), st.integers(0, 2**31))
def test_ties_count_as_in_scipy(items: int, seed: int) -> None:
    pairs = torch.randint(4, (2, items), generator=torch.Generator().manual_seed(seed)).double()
    found = rank_agreement(*pairs, resamples=1)
    expected = _by_scipy(*pairs.tolist())
    assert (found["spearman"], found["kendall"]) == pytest.approx(expected, nan_ok=True)


def test_the_low_quantile_is_that_of_single_resamples() -> None:
    generator = torch.Generator().manual_seed(3)
    scores = torch.randint(5, (9,), generator=generator).double()
    outcomes = scores + torch.randint(5, (9,), generator=generator)
    drawn = torch.randint(9, (200, 9), generator=torch.Generator().manual_seed(7))
    singles = [_by_scipy(scores[row].tolist(), outcomes[row].tolist()) for row in drawn]
    spearman, kendall = torch.tensor(singles, dtype=torch.float64).nanquantile(0.05, dim=0).tolist()
    found = rank_agreement(scores, outcomes, seed=7, resamples=200)
    assert (found["spearman_low"], found["kendall_low"]) == pytest.approx((spearman, kendall))


def test_a_perfect_order_stays_perfect_in_every_resample() -> None:
    # in half of the resamples of three items one is there twice, in some of them all are the same
    found = rank_agreement(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.6, 0.9]))
    assert all(value == pytest.approx(1) for value in found.values())
    turned = rank_agreement(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([0.5, 0.6, 0.9]))
    assert all(value == pytest.approx(-1) for value in turned.values())


def test_more_items_leave_less_to_luck() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(200, generator=generator)
    outcomes = scores + torch.randn(200, generator=generator)
    few, many = rank_agreement(scores[:15], outcomes[:15]), rank_agreement(scores, outcomes)
    assert few["kendall"] - few["kendall_low"] > 2 * (many["kendall"] - many["kendall_low"]) > 0


def test_what_is_infinite_is_first_or_last() -> None:
    found = rank_agreement(torch.tensor([-math.inf, 0.0, math.inf, math.inf]), torch.tensor([1.0, 2.0, 3.0, 3.0]))
    assert (found["spearman"], found["kendall"]) == pytest.approx((1, 1))


@pytest.mark.parametrize("scores", [[2.0, 2.0, 2.0], [1.0, math.nan, 2.0]])
def test_what_ranks_nothing_has_no_number(scores: list[float]) -> None:
    one, other = torch.tensor(scores), torch.tensor([1.0, 2.0, 3.0])
    assert all(map(math.isnan, {**rank_agreement(one, other), **rank_agreement(other, one)}.values()))


def test_the_seed_draws_the_resamples() -> None:
    scores, outcomes = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), torch.tensor([1.0, 3.0, 2.0, 5.0, 4.0])
    lows = [rank_agreement(scores, outcomes, seed=seed, resamples=3)["kendall_low"] for seed in (0, 0, 1)]
    assert lows[0] == lows[1] != lows[2]


def test_unusable_input_is_named() -> None:
    with pytest.raises(ConfigError, match="3 items or more, got 2"):
        rank_agreement(torch.ones(2), torch.ones(2))
    with pytest.raises(ConfigError, match="a score for each outcome, got 3 and 4"):
        rank_agreement(torch.ones(3), torch.ones(4))
    with pytest.raises(ConfigError, match="resamples: expected 1 or more, got 0"):
        rank_agreement(torch.ones(3), torch.ones(3), resamples=0)
