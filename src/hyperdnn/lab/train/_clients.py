"""What a server and its clients tell each other, wherever the clients are."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

from hyperdnn.errors import LayoutError
from hyperdnn.layout import ParamLayout
from hyperdnn.typing import Weights

__all__ = ["Clients", "Reply", "Sent", "fault", "fault_of_numbers", "seed_of"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Sent:
    """What a client is given.

    Args:
        client: whose turn it is, from 0.
        round: rounds that are done.
        seed: of all that the client draws in this round.
        weights: what it shall go on from, without a context dimension.
    """

    client: int
    round: int
    seed: int
    weights: Weights


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Reply:
    """What a client gives back.

    Args:
        samples: how many it has to train on.
        change: trained weights minus those that were sent.
        losses: by name, the means over its steps.
    """

    samples: int
    change: Weights
    losses: Mapping[str, float]


@runtime_checkable
class Clients(Protocol):
    """Where the clients are. An answer is text if there is none, and says why; who is not in it has not answered."""

    def train(self, sent: Sequence[Sent]) -> Mapping[int, Reply | str]:
        """Let clients train, each on its own data."""

    def evaluate(self, sent: Sequence[Sent]) -> Mapping[int, Mapping[str, float] | str]:
        """Let clients measure, each on its own data."""


def seed_of(run: int, round: int, client: int) -> int:
    """A seed for one client in one round of one run, 32 bits."""
    return int.from_bytes(hashlib.sha256(f"{run} {round} {client}".encode()).digest()[:4], "big")


def fault(reply: Reply, layout: ParamLayout) -> str | None:
    """Why a reply cannot be used, in words; None if it can.

    A server trusts no client: one whose numbers left their range would take all others with it.
    """
    try:
        contexts = layout.check(reply.change)
    except LayoutError as error:
        return str(error)
    if contexts:
        return f"its change has context dimensions {tuple(contexts)}: expected those of one network."
    for name, tensor in reply.change.items():
        if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
            return f"its change of '{name}' is not finite."
    if reply.samples < 1:
        return f"it says that it has {reply.samples} samples."
    if "loss" not in reply.losses:
        return "it says nothing of its loss."
    return fault_of_numbers(reply.losses)


def fault_of_numbers(numbers: Mapping[str, float]) -> str | None:
    """Why losses or metrics cannot be used, in words; None if they can."""
    odd = next((name for name, number in numbers.items() if not math.isfinite(number)), None)
    return None if odd is None else f"its '{odd}' is {numbers[odd]}."
