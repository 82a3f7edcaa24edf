"""How high the right answer stands among all that were possible."""

from collections.abc import Iterable

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

__all__ = ["filtered_ranks", "ranking_summary", "reciprocal_rank_by_group"]


def filtered_ranks(
    scores: Float[Tensor, "queries candidates"],
    answers: Integer[Tensor, " queries"],
    known: Bool[Tensor, "queries candidates"],
) -> Float[Tensor, " queries"]:
    """Ranks of answers, from 1, where other right answers do not count: to be beaten by them is no mistake.

    Among candidates of equal score an answer has the mean of the best and the worst rank, so constant scores have the
    rank of chance. A score that is no number (nan) counts as higher than any other, and an answer without one is last.

    Args:
        scores: of every candidate; higher is better.
        answers: the candidate that is asked for.
        known: which candidates are right answers too; whether the one that is asked for is marked does not matter.

    Source:
        Bordes et al., "Translating embeddings for modeling multi-relational data", NeurIPS 2013 (filtered); Sun et al.,
        "A re-evaluation of knowledge graph completion methods", ACL 2020 (ties).
    """
    own = scores.gather(-1, answers.unsqueeze(-1))
    rivals = known.logical_not().scatter(-1, answers.unsqueeze(-1), value=False)
    above = (rivals & (scores <= own).logical_not()).sum(-1)
    equal = (rivals & (scores == own)).sum(-1)
    return 1 + above.double() + equal.double() / 2


def ranking_summary(ranks: Float[Tensor, " queries"], *, levels: Iterable[int] = (1, 3, 10)) -> dict[str, float]:
    """The mean reciprocal rank, and the shares of answers among the first few.

    Args:
        ranks: as `filtered_ranks` gives them.
        levels: how many are the first few.

    Returns:
        ``mrr``, and ``hits_1``, ``hits_3`` and ``hits_10``, as fractions.
    """
    hits = {f"hits_{level}": (ranks <= level).double().mean().item() for level in levels}
    return {"mrr": ranks.double().reciprocal().mean().item(), **hits}


def reciprocal_rank_by_group(
    ranks: Float[Tensor, " queries"], groups: Integer[Tensor, " queries"], count: int
) -> list[float]:
    """The mean reciprocal rank of each group of queries, such as those of one relation; nan for a group without any.

    Args:
        ranks: as `filtered_ranks` gives them.
        groups: from 0 to ``count - 1``.
        count: how many groups.
    """
    sums = torch.zeros(count, dtype=torch.float64, device=ranks.device)
    means = sums.index_add(0, groups, ranks.double().reciprocal()) / groups.bincount(minlength=count)
    found: list[float] = means.tolist()
    return found
