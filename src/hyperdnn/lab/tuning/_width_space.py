"""Networks that differ in their layers' widths, and what they cost."""

from collections.abc import Callable, Sequence
from typing import TypeAlias, final

import torch

from hyperdnn.errors import ConfigError
from hyperdnn.layout import Architecture, Widths

__all__ = ["WidthSpace"]

_STEPS = 1000  # shares that are tried for a uniform network
_MOST_DRAWN = 20_000  # until one is affordable
_MOST_REPEATED = 100  # for each different one that is asked for
_Choice: TypeAlias = tuple[int, ...]


@final
class WidthSpace:
    """Narrower versions of one network that cost what they may, each named by a choice: a share for each layer.

    Args:
        architecture: the widest network.
        layers: whose widths are chosen.
        shares: of its channels that a layer may keep, as near as whole channels come, and at least one.
        cost: widths, one for each of the layers -> what such a network costs.
        limit: the share of the widest network's cost that is affordable.
        least: the share of the limit that a network costs at least, so that only networks of about equal cost compete.

    Raises:
        ConfigError: no layer, a share that is not above 0 and at most 1, or a limit that not even the narrowest meets.
    """

    def __init__(
        self,
        architecture: Architecture,
        layers: Sequence[str],
        shares: Sequence[float],
        *,
        cost: Callable[[Sequence[int]], float],
        limit: float,
        least: float = 0.0,
    ) -> None:
        if not layers or not shares or not all(0 < share <= 1 for share in shares):
            raise ConfigError(f"WidthSpace: expected layers, and shares above 0 and up to 1, got {tuple(shares)}.")
        self.architecture, self.layers, self.shares = architecture, tuple(layers), tuple(shares)
        self.cost, self.limit, self.least = cost, limit, least
        self.widest = tuple(architecture.layout[f"{layer}.weight"].shape[0] for layer in layers)
        self.table = [[max(1, round(width * share)) for share in shares] for width in self.widest]
        narrowest = self.share([min(row) for row in self.table])
        if narrowest > limit:
            raise ConfigError(f"limit: the narrowest network costs {narrowest:.3g} of the widest one, got {limit:g}.")

    def widths(self, choice: Sequence[int]) -> tuple[int, ...]:
        """The channels of each layer."""
        return tuple(row[index] for row, index in zip(self.table, choice, strict=True))

    def share(self, widths: Sequence[int]) -> float:
        """What a network costs, of what the widest one does."""
        return self.cost(widths) / self.cost(self.widest)

    def affords(self, choice: Sequence[int]) -> bool:
        """Whether that is within the limit, and not far below it."""
        return self.least * self.limit <= self.share(self.widths(choice)) <= self.limit

    def cut(self, choice: Sequence[int]) -> Widths:
        """What the network keeps of the widest one."""
        return Widths.of(self.architecture, dict(zip(self.layers, self.widths(choice), strict=True)))

    def uniform(self) -> tuple[int, ...]:
        """Widths of the same share everywhere, whose cost is nearest to the limit; the share need not be a choice."""
        shares = [step / _STEPS for step in range(1, _STEPS + 1)]
        tried = [tuple(max(1, round(width * share)) for width in self.widest) for share in shares]
        return min(tried, key=lambda widths: abs(self.share(widths) - self.limit))

    def draw(self, *, generator: torch.Generator | None = None) -> _Choice:
        """One choice that is affordable, each as probable as any other.

        Raises:
            ConfigError: hardly any is.
        """
        for _ in range(_MOST_DRAWN):
            choice = tuple(torch.randint(len(self.shares), (len(self.layers),), generator=generator).tolist())
            if self.affords(choice):
                return choice
        raise ConfigError(
            f"hardly any network costs between {self.least:g} and 1 of the limit. Lower the least cost, or allow more "
            "shares."
        )

    def random(self, number: int, *, seed: int) -> list[_Choice]:
        """Different choices that are affordable, drawn at random.

        Args:
            number: how many.
            seed: of the draw.

        Raises:
            ConfigError: there are hardly so many.
        """
        generator = torch.Generator().manual_seed(seed)
        found: dict[_Choice, None] = {}
        for _ in range(_MOST_REPEATED * number):
            found[self.draw(generator=generator)] = None
            if len(found) == number:
                return list(found)
        raise ConfigError(
            f"found {len(found)} networks that cost between {self.least:g} and 1 of the limit, expected {number}. "
            "Lower the least cost, or allow more shares."
        )
