"""How well scores rank what was trained."""

import torch
from jaxtyping import Float
from torch import Tensor

from hyperdnn.errors import ConfigError

__all__ = ["rank_agreement"]

_LOW = 0.05  # the quantile over resamples


def rank_agreement(
    scores: Float[Tensor, " scores"], outcomes: Float[Tensor, " outcomes"], *, seed: int = 0, resamples: int = 1000
) -> dict[str, float]:
    """Whether items with higher scores have higher outcomes: rank correlations, and how low luck could make them.

    Ties are half right: items of equal score have the mean of their ranks in Spearman's rho, and Kendall's tau is
    tau-b. A number is nan if all scores or all outcomes are equal, since what ranks nothing is neither right nor wrong,
    or if one of them is nan; nan supports no claim. Resamples in which all are equal are left out of the quantiles.

    Args:
        scores: one for each item; higher is better.
        outcomes: what they foretell, such as trained accuracy; higher is better.
        seed: of the resamples: the same for the scores of several variants, so that they are compared on equal items.
        resamples: of the items, with replacement.

    Returns:
        ``spearman`` and ``kendall``, from -1 to 1, and as ``spearman_low`` and ``kendall_low`` the 5 % quantiles of
        their bootstrap over items.

    Raises:
        ConfigError: fewer than three items, not as many scores as outcomes, or no resample.

    Source:
        Kendall, "The treatment of ties in ranking problems", Biometrika 33, 1945.
    """
    if len(scores) != len(outcomes):
        raise ConfigError(f"rank_agreement: expected a score for each outcome, got {len(scores)} and {len(outcomes)}.")
    if len(scores) < 3:
        raise ConfigError(f"rank_agreement: expected 3 items or more, got {len(scores)}.")
    if resamples < 1:
        raise ConfigError(f"rank_agreement: resamples: expected 1 or more, got {resamples}.")
    items = len(scores)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(items, (resamples, items), generator=generator)
    counts = torch.zeros(resamples, items, dtype=torch.float64).scatter_add_(1, drawn, torch.ones(drawn.shape).double())
    counts = torch.cat([torch.ones(1, items).double(), counts]).to(scores.device)
    found = {}
    for name, values in _correlations(_order(scores), _order(outcomes), counts).items():
        found[name] = values[0].item()
        found[f"{name}_low"] = values[1:].nanquantile(_LOW).item() if values[0].isfinite() else torch.nan
    return found


def _order(values: Tensor) -> Tensor:
    """For each pair of items whether the first is above (1), equal to (0) or below (-1) the second; nan for a nan."""
    rows = values.unsqueeze(1)
    return ((rows > values).double() - (rows < values).double()).masked_fill(values.isnan(), torch.nan)


def _correlations(one: Tensor, other: Tensor, counts: Tensor) -> dict[str, Tensor]:
    """Both correlations in every resample, which is how often it has each item.

    Tau-b is the cosine between the orders of all pairs. An item's order to all others, summed, is twice its rank from
    the middle: rho is the cosine between these sums.
    """

    def over_pairs(order: Tensor) -> Tensor:
        return ((counts @ order) * counts).sum(-1)

    def over_items(first: Tensor, second: Tensor) -> Tensor:
        return ((counts @ first.T) * (counts @ second.T) * counts).sum(-1)

    return {
        "spearman": over_items(one, other) / (over_items(one, one) * over_items(other, other)).sqrt(),
        "kendall": over_pairs(one * other) / (over_pairs(one * one) * over_pairs(other * other)).sqrt(),
    }
