import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hyperdnn.lab.metrics import filtered_ranks, ranking_summary, reciprocal_rank_by_group


def _rank(scores: list[float], answer: int, known: list[bool]) -> float:
    """By sorting: the mean of the first and the last place among equals."""
    rivals = [score for i, score in enumerate(scores) if i == answer or not known[i]]
    places = [place for place, score in enumerate(sorted(rivals, reverse=True), 1) if score == scores[answer]]
    return (places[0] + places[-1]) / 2


def test_other_right_answers_do_not_count() -> None:
    scores = torch.tensor([[0.9, 0.8, 0.7, 0.6, 0.5]]).expand(3, 5)
    known = torch.tensor([[False] * 5, [True, False, False, True, False], [True, True, True, True, False]])
    assert filtered_ranks(scores, torch.tensor([3, 3, 3]), known).tolist() == [4.0, 3.0, 1.0]


def test_constant_scores_have_the_rank_of_chance() -> None:
    ranks = filtered_ranks(torch.zeros(1, 101), torch.tensor([7]), torch.zeros(1, 101, dtype=torch.bool))
    assert ranks.tolist() == [51.0]  # not 1, as by counting higher scores, and not 101


def test_what_is_no_number_is_not_favoured() -> None:
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    scores = torch.tensor([[math.nan, 1.0, 2.0], [math.nan, 1.0, 0.0]])
    assert filtered_ranks(scores, torch.tensor([0, 1]), nothing).tolist() == [3.0, 2.0]


@given(st.integers(1, 9), st.integers(0, 6), st.integers(0, 2**31))
def test_ranks_are_those_of_sorting(candidates: int, queries: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(4, (queries, candidates), generator=generator).float()  # many ties
    known = torch.rand(queries, candidates, generator=generator) < 0.4
    answers = torch.randint(candidates, (queries,), generator=generator)
    rows = zip(scores.tolist(), answers.tolist(), known.tolist(), strict=True)
    assert filtered_ranks(scores, answers, known).tolist() == [_rank(*row) for row in rows]


def test_nothing_is_changed() -> None:
    known = torch.tensor([[True, False]])
    filtered_ranks(torch.zeros(1, 2), torch.tensor([0]), known)
    assert known.tolist() == [[True, False]]


def test_the_summary_by_hand() -> None:
    found = ranking_summary(torch.tensor([1.0, 2.0, 4.0, 20.0]))
    assert found == pytest.approx(
        {"mrr": (1 + 1 / 2 + 1 / 4 + 1 / 20) / 4, "hits_1": 0.25, "hits_3": 0.5, "hits_10": 0.75}
    )
    assert list(ranking_summary(torch.ones(1), levels=(2,))) == ["mrr", "hits_2"]


@pytest.mark.parametrize("ranks", [torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1, 2, 4])])
def test_groups_have_means_of_their_own(ranks: Tensor) -> None:
    found = reciprocal_rank_by_group(ranks.double(), torch.tensor([2, 0, 2]), 3)
    assert found[0] == 0.5
    assert math.isnan(found[1])
    assert found[2] == pytest.approx((1 + 1 / 4) / 2)
