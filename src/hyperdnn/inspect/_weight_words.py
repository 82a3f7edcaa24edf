"""What statistics of generated weights say, in words."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hyperdnn.inspect._spread import SAME

if TYPE_CHECKING:
    from hyperdnn.inspect._statistics import Statistics

__all__ = ["IGNORED", "LINE", "facts", "listed", "share", "troubles"]

IGNORED = 0.01
"""A tensor that differs by less than this share of its size ignores the context. In hypernets that learnt (see
`health`) variation was above 0.2; this is well below, and well above rounding."""

LINE = 1.1
"""Contexts whose effective rank is less than this differ along one line."""

_SHOWN = 3
"""Names that a sentence lists before it says how many there are more."""


def troubles(found: "Statistics") -> Iterator[str]:
    """What should not be: weights that are not finite, dead contexts, a collapsed generator, tensors that ignore it."""
    broken = [t for t in found.tensors if not bool(t.norms.isfinite().all())]
    if broken:
        where = [found.names[k] for k in (~broken[0].norms.isfinite()).nonzero().flatten().tolist()]
        yield f"Generated weights are not finite: {listed([t.name for t in broken])}, for {listed(where)}."
        return
    contexts, whole = len(found.names), found.whole
    zero = [name for name, norm in zip(found.names, whole.norms.tolist(), strict=True) if norm == 0]
    if len(zero) == contexts:
        yield f"All generated weights are zero, for {'the only context' if contexts == 1 else f'all {contexts}'}."
        return
    if zero:
        yield f"Dead contexts: {listed(zero)} {'gets' if len(zero) == 1 else 'get'} weights of zero."
    if contexts < 2:
        return
    if whole.variation <= SAME:
        yield f"The generator has collapsed: all {contexts} contexts get the same weights."
        return
    if whole.variation <= IGNORED:
        yield f"The generator has almost collapsed: contexts differ by {share(whole.variation)} of the weights' size."
    for group in _equal(found):
        if not set(group) <= set(zero):
            yield f"Dead contexts: {listed(group)} get the same weights."
    yield from _ignoring(found)
    if contexts > 3 and whole.rank < LINE:
        yield (
            f"All {contexts} contexts lie on one line in the space of weights: effective rank {whole.rank:.2f}, of "
            f"{contexts - 1} at most."
        )


def facts(found: "Statistics") -> Iterator[str]:
    """What the numbers say of any hypernet that is well."""
    contexts, whole = len(found.names), found.whole
    if contexts == 1:
        yield (
            f"One context, {whole.numbers:,} generated numbers of root mean square {float(whole.sizes):.3g}: what "
            "contexts differ by cannot be said."
        )
    if contexts < 2 or not whole.variation > SAME:  # nan is not
        return
    yield (
        f"Between {contexts} contexts the {whole.numbers:,} generated numbers differ by {share(whole.variation)} of "
        f"their size; the effective rank of the differences is {whole.rank:.2f}, of {contexts - 1} at most."
    )
    if contexts > 2:
        pairs = torch.triu_indices(contexts, contexts, 1)
        apart = whole.distances[tuple(pairs)]
        near, far = (_pair(found.names, pairs[:, int(k)]) for k in (apart.argmin(), apart.argmax()))
        yield (
            f"Nearest to each other are {near}, {float(apart.min()):.3g} apart in root mean square, farthest {far}, "
            f"{float(apart.max()):.3g} apart."
        )
    if len(found.tensors) > 1:
        ordered = sorted(found.tensors, key=lambda tensor: tensor.variation)
        least, most = ordered[0], ordered[-1]
        yield (
            f"'{most.name}' differs most for its size, by {share(most.variation)}, and '{least.name}' least, by "
            f"{share(least.variation)}."
        )


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    quoted = [f"'{name}'" for name in names[:_SHOWN]]
    if len(names) > _SHOWN:
        return f"{', '.join(quoted)} and {len(names) - _SHOWN} more"
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]


def _equal(found: "Statistics") -> Iterator[list[str]]:
    """Groups of contexts that get the same weights."""
    size = float(found.whole.sizes.square().mean().sqrt())
    left = list(range(len(found.names)))
    while left:
        group = [k for k in left if float(found.whole.distances[left[0], k]) <= SAME * size]
        if len(group) > 1:
            yield [found.names[k] for k in group]
        left = [k for k in left if k not in group]


def _ignoring(found: "Statistics") -> Iterator[str]:
    zero = [t.name for t in found.tensors if float(t.norms.max()) == 0]
    if zero:
        yield f"{listed(zero)} {'is' if len(zero) == 1 else 'are'} zero for all contexts."
    same = [t for t in found.tensors if t.name not in zero and t.variation <= IGNORED]
    if not same or found.whole.variation <= IGNORED:
        return
    most = max(t.variation for t in same)
    how = "the same for all" if most <= SAME else f"differences of {share(most)} of the size at most"
    yield f"{listed([t.name for t in same])} {'ignores' if len(same) == 1 else 'ignore'} the context: {how}."


def _pair(names: Sequence[str], pair: Tensor) -> str:
    return listed([names[k] for k in pair.tolist()])


def share(value: float) -> str:
    """A fraction in percent."""
    return f"{100 * value:.3g}%"
