"""What can be said of a new item without learning to learn."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from hyperdnn.lab.data import NewItemBatch

__all__ = ["mean_of_given", "ridge_on_given"]


def mean_of_given(batch: NewItemBatch) -> Float[Tensor, "items targets"]:
    """For every user the mean of the ratings that are given; 0, the mean of old items, where none is."""
    mean = (batch.given * batch.is_given).sum(1) / batch.is_given.sum(1).clamp(min=1)
    return mean[:, None].expand_as(batch.asked)


def ridge_on_given(
    batch: NewItemBatch, *, rows: Float[Tensor, "old width"], strength: float
) -> Float[Tensor, "items targets"]:
    """Ridge regression of the ratings that are given on what is known of their users, and a constant.

    Drawn towards the mean row of old items, not towards zero, it is a strong baseline where a base model knows many
    items; without a rating it is that row.

    Args:
        batch: its users are features that the rows of old items are linear in.
        rows: of old items, a weight for each feature, and the constant last.
        strength: of the ridge; the variance of a rating over that of a weight.
    """
    row = rows.mean(0)
    given, asked = (F.pad(users, (0, 1), value=1.0) for users in (batch.given_users, batch.asked_users))
    given = given * batch.is_given.unsqueeze(-1)
    rest = batch.given * batch.is_given - given @ row
    gram = given @ given.mT + strength * torch.eye(given.shape[1], device=given.device, dtype=given.dtype)
    change: Tensor = asked @ given.mT @ torch.linalg.solve(gram, rest.unsqueeze(-1))
    return asked @ row + change.squeeze(-1)
