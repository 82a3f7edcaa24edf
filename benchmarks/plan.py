"""What is compared: workloads, who takes part, and the figures to reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

__all__ = ["BEST_PEER", "LABELS", "PEERS", "WORKLOADS", "Limit", "Workload", "kind_of"]

BEST_PEER: Final = "best peer"
PEERS: Final = ("hypnettorch", "hyper_nn", "hyperlight")
LABELS: Final = {
    "functional": "torch.func",
    "functional_fused": "torch.func, fused Adam",
    "hyper_nn": "hyper-nn",
    "labml": "labml-nn",
    "plain": "no hypernet",
    "hyperdnn_rank": "hyperdnn, RankAdam",
    "hyperdnn_channels_last": "hyperdnn, channels_last",
    "hyperdnn_compiled": "hyperdnn, compiled",
    "hyperdnn_lstm_compiled": "hyperdnn, compiled",
    "hyperdnn_stream": "hyperdnn, streamed",
}
"""Names for readers, of line-ups that are not called as their adapter is."""


@final
@dataclass(frozen=True, kw_only=True)
class Limit:
    """A figure to reach: at most so much, in the unit of `quantity`.

    Args:
        lineup: whose figure.
        at_most: the limit.
        quantity: ``ratio`` of the time to that of `against`, ``milliseconds`` of a step, ``memory`` as peak of a step
            over the size of the generated weights, or ``import`` as seconds over the import of torch.
        against: the other side of a ratio.
    """

    lineup: str
    at_most: float
    quantity: Literal["ratio", "milliseconds", "memory", "import"] = "ratio"
    against: str = "functional"


@final
@dataclass(frozen=True, kw_only=True)
class Workload:
    """The same work for everybody.

    Args:
        name: the runner's.
        title: for readers.
        lineup: adapters, by file name.
        limits: figures to reach.
        baseline: whose time is 1 in the bars.
        rounds: interleaved; six are the fewest that allow an interval.
        alone: each library in a process of its own, and its first step is the measurement: large and slow.
        memory: whether the peak memory of a step is measured too, in a process for each.
    """

    name: str
    title: str
    lineup: Sequence[str]
    limits: Sequence[Limit] = ()
    baseline: str = "functional"
    rounds: int = 9
    alone: bool = False
    memory: bool = False


def kind_of(lineup: str) -> Literal["ours", "peer", "reference"]:
    """Whose adapter it is: this library's, another's, or plain torch."""
    if lineup.startswith("hyperdnn"):
        return "ours"
    return "peer" if lineup in {*PEERS, "labml"} else "reference"


_ALL: Final = ("functional", *PEERS, "hyperdnn")
_NOT_SLOWER: Final = Limit(lineup="hyperdnn", at_most=1.0, against=BEST_PEER)


def _contexts(name: str, title: str, at_most: float) -> list[Workload]:
    """Many contexts at once: without gradient, and with it."""
    limits = (Limit(lineup="hyperdnn", at_most=at_most), _NOT_SLOWER)
    return [
        Workload(name=f"{name}_fwd", title=f"{title}, forward", lineup=_ALL, limits=(_NOT_SLOWER,)),
        Workload(
            name=f"{name}_fb",
            title=f"{title}, forward and backward",
            lineup=_ALL,
            limits=limits,
            rounds=15,
            memory=True,
        ),
    ]


WORKLOADS: Final = (
    Workload(
        name="W1",
        title="Training step, one context, MLP 784-256-256-10",
        lineup=("functional", "functional_fused", *PEERS, "hyperdnn", "hyperdnn_rank"),
        limits=(
            Limit(lineup="hyperdnn", at_most=0.40),
            Limit(lineup="hyperdnn_rank", at_most=0.20),
            _NOT_SLOWER,
        ),
        rounds=11,
        memory=True,
    ),
    Workload(
        name="W2",
        title="Training step in chunks, ResNet-20, batch 32",
        lineup=(*_ALL, "hyperdnn_channels_last", "hyperdnn_compiled"),
        limits=(
            Limit(lineup="hyperdnn_channels_last", at_most=0.80),
            Limit(lineup="hyperdnn_compiled", at_most=0.65),
            _NOT_SLOWER,
            Limit(lineup="hyperdnn_channels_last", at_most=1.0, against=BEST_PEER),
        ),
        rounds=15,
        memory=True,
    ),
    *_contexts("W3a", "256 contexts with a sample each, MLP", 0.68),
    *_contexts("W3b", "64 contexts with an image each, CNN", 0.98),
    *_contexts("W3c", "16 contexts with 64 samples each, MLP", 0.70),
    Workload(
        name="W4",
        title="HyperLSTM, 100 steps, batch 32, hidden 128",
        lineup=("labml", "plain", "hyperdnn", "hyperdnn_lstm_compiled"),
        limits=(
            Limit(lineup="hyperdnn", at_most=0.60, against="labml"),
            Limit(lineup="hyperdnn_lstm_compiled", at_most=0.36, against="labml"),
        ),
        baseline="labml",
        rounds=11,
    ),
    Workload(
        name="W5_25m",
        title="25 million generated weights, forward and backward",
        lineup=(*_ALL, "hyperdnn_stream"),
        limits=(
            Limit(lineup="hyperdnn", at_most=0.07),
            Limit(lineup="hyperdnn_stream", at_most=0.7, quantity="memory"),
        ),
        rounds=1,
        alone=True,
        memory=True,
    ),
    Workload(
        name="W5_100m",
        title="100 million generated weights, forward and backward",
        lineup=("functional", "hypnettorch", "hyperdnn", "hyperdnn_stream"),
        limits=(
            Limit(lineup="hyperdnn", at_most=0.09),
            Limit(lineup="hyperdnn_stream", at_most=0.7, quantity="memory"),
        ),
        rounds=1,
        alone=True,
        memory=True,
    ),
    Workload(
        name="W6_b1",
        title="One context reused 100 times, batch 1",
        lineup=("plain", *_ALL),
        limits=(Limit(lineup="hyperdnn", at_most=1.05, against="plain"),),
        baseline="plain",
        rounds=21,
    ),
    Workload(
        name="W6",
        title="One context reused 100 times, batch 128",
        lineup=("plain", *_ALL),
        baseline="plain",
    ),
    Workload(
        name="W6_regen",
        title="One context, generated anew in each of 100 calls",
        lineup=("plain", *_ALL),
        baseline="plain",
        rounds=6,
    ),
    Workload(
        name="W7",
        title="Constructing a hypernet for ResNet-18",
        lineup=_ALL,
        limits=(Limit(lineup="hyperdnn", at_most=30.0, quantity="milliseconds"),),
        rounds=6,
    ),
    Workload(
        name="import",
        title="Import, over the import of torch",
        lineup=(*PEERS, "labml", "hyperdnn"),
        limits=(Limit(lineup="hyperdnn", at_most=0.1, quantity="import"),),
        baseline="hyperdnn",
    ),
)
