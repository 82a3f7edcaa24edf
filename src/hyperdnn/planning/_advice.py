"""What to do with the recommended hypernet: each line a sentence with its reason."""

from collections.abc import Iterator

from hyperdnn.planning._cost import Row
from hyperdnn.planning._needs import Needs
from hyperdnn.planning._strategies import FEATURES
from hyperdnn.planning._subject import Subject

__all__ = ["advice"]

_FUSED_FROM, _FEW = 1_000_000, 16
"""Parameters of a hypernet from which on, and contexts up to which, the optimiser's step is felt."""

_MUCH = 2**30
"""Bytes of generated weights from which on their memory matters."""


def advice(row: Row, subject: Subject, needs: Needs, *, contexts: int, hidden: int) -> Iterator[str]:
    """Hints for training a strategy's hypernet on a target."""
    if hidden % 32:
        near = max(32, round(hidden / 32) * 32)
        yield f"hidden={hidden} makes poor matrix products: take a multiple of 32, such as {near}."
    if row.count.hypernet >= _FUSED_FROM and contexts <= _FEW:
        yield (
            "With few contexts the optimiser's step over the head costs more than generating: "
            "torch.optim.Adam(..., fused=True)."
        )
    if contexts > 1 and contexts * row.context_memory > max(row.memory, _MUCH):
        yield (
            f"The weights of {contexts:,} contexts take more memory than all that is trained: do not take them all in "
            "one step."
        )
    if subject.statistics:
        yield 'The target has running statistics: buffers="batch" is one of four policies (see hd.Target).'
    if needs.data_adaptive:
        yield (
            "The context is data: put an encoder of it (encoders.Image, Sequence, Set, Vector, FromModule) in place "
            "of encoders.Table."
        )
    if needs.uncertainty:
        yield (
            f"For a distribution over networks put encoders.Noise({FEATURES}) in place of encoders.Table; for one "
            "over each weight give hd.Target combine=targets.Gaussian(), which generates twice the numbers."
        )
    if needs.dynamic_architecture:
        yield (
            "The plan is for one architecture. For architectures that come with the call build hd.GraphHypernet, and "
            "run what it generates by hd.Target.of."
        )
    if row.kind == "low-rank change":
        yield (
            "The weights that are changed are kept frozen: pretrain them, or train them along with "
            "hd.Target(..., train_base=True)."
        )
        yield (
            "The product of the factors is built for each context; targets.attach_lora applies them without, to the "
            "layers that it knows."
        )
