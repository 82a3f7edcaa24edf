"""How the error on new items falls with the number of ratings that are given."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from hyperdnn.lab.data import NewItemBatch, NewItems

__all__ = ["errors_by_shots"]


def errors_by_shots(
    methods: Mapping[str, Callable[[NewItemBatch], Tensor]], items: NewItems, *, draws: int = 3
) -> dict[str, list[float]]:
    """The root mean square error for 0, 1, 2, ... given ratings up to ``items.shots``, averaged over items.

    Whatever is given, the same users are asked, so a curve shows what ratings add.

    Args:
        methods: name -> what estimates the ratings that are asked for, ``(items, targets)``.
        items: are judged with equal weight, however many ratings they have.
        draws: of the users whose ratings are given; the same ones in every call.
    """
    curves: dict[str, list[float]] = {name: [] for name in methods}
    for shots in range(items.shots + 1):
        generator = torch.Generator().manual_seed(0)
        count = torch.full((len(items.ratings),), shots, device=items.users.device)
        drawn = [items.every(count, generator=generator) for _ in range(draws)]
        for name, method in methods.items():
            errors = [one.squared_errors(method(one)).sqrt().mean() for one in drawn]
            curves[name].append(torch.stack(errors).mean().item())
    return curves
