"""How rows of numbers lie to each other, summed in portions so that they are never copied as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

__all__ = ["SAME", "Spread", "portions", "spread"]

SAME = 1e-6
"""Weights that differ by less than this share of their size are the same: rounding in 32 bits."""

_PORTION = 2**24
"""Numbers that are converted to double precision at a time: 128 MiB."""


@final
@dataclass(frozen=True, eq=False)
class Spread:
    """Sums over the numbers of ``n`` rows, in double precision on the CPU; those of several tensors add up.

    Args:
        gram: ``(n, n)``, inner products of the rows less their mean row.
        squares: ``(n,)``, of each row's numbers.
        within: ``(n,)``, of each row's deviations from the mean of its own numbers.
        numbers: in a row.
    """

    gram: Tensor
    squares: Tensor
    within: Tensor
    numbers: int

    def __add__(self, other: "Spread") -> "Spread":
        return Spread(
            self.gram + other.gram,
            self.squares + other.squares,
            self.within + other.within,
            self.numbers + other.numbers,
        )

    @property
    def between(self) -> float:
        """Root mean square deviation of a number from its own mean over the rows."""
        return float((self.gram.trace().clamp(min=0) / (len(self.gram) * self.numbers)).sqrt())

    @property
    def size(self) -> float:
        """Root mean square of all numbers."""
        return float((self.squares.mean() / self.numbers).sqrt())

    @property
    def distances(self) -> Tensor:
        """``(n, n)``, root mean square difference of two rows' numbers."""
        own = self.gram.diagonal()
        squares = own[:, None] + own - 2 * self.gram
        return (squares.clamp(min=0).fill_diagonal_(0) / self.numbers).sqrt()

    @property
    def cosine(self) -> float:
        """Mean cosine of the angle between two rows; nan if there are no two that are not zero."""
        apart = self.distances.square() * self.numbers
        norms = self.squares.sqrt()
        products = (self.squares[:, None] + self.squares - apart) / 2
        cosines = (products / (norms[:, None] * norms))[tuple(torch.triu_indices(len(norms), len(norms), 1))]
        return float(cosines[~cosines.isnan()].mean())

    @property
    def rank(self) -> float:
        """Effective number of directions in which rows differ: 0 if they do not, ``n - 1`` at most.

        Source:
            Roy & Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007: the exponential
            of the entropy of the singular values, here of the rows less their mean row.
        """
        if not bool(self.gram.isfinite().all()):
            return float("nan")
        if self.between <= SAME * self.size:
            return 0.0
        squares = torch.linalg.eigvalsh(self.gram)
        values = torch.where(squares > SAME**2 * squares[-1], squares, 0.0).sqrt()  # the rest is rounding
        return float(torch.special.entr(values / values.sum()).sum().exp())


def spread(rows: Tensor) -> Spread:
    """The sums of rows ``(n, ...)``, n at least 1."""
    flat = rows.detach().flatten(1)
    contexts, numbers = flat.shape
    gram = torch.zeros(contexts, contexts, dtype=torch.float64)
    squares, within = gram.new_zeros(contexts), gram.new_zeros(contexts)
    means = gram.new_zeros(contexts, 1)
    for part in portions(flat):
        means += part.sum(1, keepdim=True) / numbers
    for part in portions(flat):
        centred = part - part.mean(0)
        gram += centred @ centred.T
        squares += part.square().sum(1)
        within += (part - means).square().sum(1)
    return Spread(gram, squares, within, numbers)


def portions(flat: Tensor) -> Iterator[Tensor]:
    """Columns of ``(n, d)``, some at a time, in double precision on the CPU."""
    step = max(_PORTION // len(flat), 1)
    for first in range(0, flat.shape[1], step):
        yield flat[:, first : first + step].cpu().double()
