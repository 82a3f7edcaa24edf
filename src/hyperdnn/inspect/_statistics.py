"""How generated weights differ from context to context."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.inspect._contexts import typical_contexts
from hyperdnn.inspect._outcome import solid
from hyperdnn.inspect._plain import plain
from hyperdnn.inspect._spread import Spread, spread
from hyperdnn.inspect._vitals import undisturbed
from hyperdnn.inspect._weight_words import facts, troubles
from hyperdnn.models import HyperDNN
from hyperdnn.targets import Gaussian
from hyperdnn.typing import Context, Weights

__all__ = ["Statistics", "TensorStatistics", "comparable", "statistics", "weights_of"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TensorStatistics:
    """One generated tensor over contexts, or all of them together.

    Args:
        name: in the target's layout.
        numbers: generated for one context.
        norms: ``(contexts,)``, Euclidean.
        between: spread between contexts, the root mean square deviation of a number from its own mean over contexts;
            nan for one context.
        within: spread within a context, the root mean square deviation of a number from the mean of its tensor.
        rank: effective rank of what contexts differ by: 0 if they do not differ, ``contexts - 1`` at most.
        cosine: mean cosine of the angle between two contexts' tensors; nan where there are no two.
        distances: ``(contexts, contexts)``, root mean square difference of two contexts' numbers.

    Source:
        Roy & Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007.
    """

    name: str
    numbers: int
    norms: Tensor
    between: float
    within: float
    rank: float
    cosine: float
    distances: Tensor

    @property
    def sizes(self) -> Tensor:
        """``(contexts,)``, root mean square of each context's numbers, in which tensors can be compared."""
        return self.norms / math.sqrt(self.numbers)

    @property
    def variation(self) -> float:
        """How much contexts differ, relative to their size: 0 if they are the same, about 1 if they are independent."""
        size = float(self.sizes.square().mean().sqrt())
        return self.between / size if size else self.between  # zeros do not differ; of one context nobody knows


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """What `statistics` measured; print it.

    Args:
        names: of the contexts.
        tensors: generated tensors, in layout order.
        whole: all of them together, in which large ones weigh most.
    """

    names: tuple[str, ...]
    tensors: tuple[TensorStatistics, ...]
    whole: TensorStatistics

    def troubles(self) -> tuple[str, ...]:
        """What should not be, in words; empty if nothing was found."""
        return tuple(troubles(self))

    def findings(self) -> tuple[str, ...]:
        """What the numbers say, in words, troubles first."""
        return self.troubles() + tuple(facts(self))

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values; None stands where a number is not finite."""
        data: dict[str, Any] = plain(self)
        return data | {"findings": list(self.findings())}

    def __str__(self) -> str:
        rows = (*self.tensors, self.whole)
        width = max(len("tensor"), *(len(row.name) for row in rows))
        heads = ("numbers", "norm", "least", "most", "between", "within", "variation", "rank", "cosine")
        lines = [f"{'tensor':<{width}}  " + "  ".join(f"{head:>9}" for head in heads)]
        for t in rows:
            norms = (float(t.norms.mean()), float(t.norms.min()), float(t.norms.max()))
            cells = (*norms, t.between, t.within, t.variation, t.rank, t.cosine)
            lines.append(f"{t.name:<{width}}  {t.numbers:>9,}  " + "  ".join(f"{_shown(cell):>9}" for cell in cells))
        return "\n".join([*lines, *self.findings()])


def statistics(model: HyperDNN, context: Context = None, *, names: Sequence[str] | None = None) -> Statistics:
    """Measure each generated tensor over contexts: size, spread, effective rank, angles and distances.

    Generates once, in evaluation mode; nothing of the model is changed. Weights are looked at as they are generated: of
    a combine with a base the change alone, of factors the factors, of a distribution mean and scale. Where one context
    makes weights for many cells, these count as one set.

    Args:
        model: to look at.
        context: contexts ``(n, ...)``; by default as for `check_init`.
        names: one for each of them; by default their numbers, from 0.

    Raises:
        ContextError: if the contexts cannot be guessed, or there are none.
        ConfigError: if there is not one name for each context.
    """
    weights = weights_of(model, context, asker="statistics")
    contexts = len(next(iter(weights.values())))
    found = tuple(map(str, range(contexts))) if names is None else tuple(names)
    if len(found) != contexts:
        raise ConfigError(f"statistics: expected one name for each of {contexts} contexts, got {len(found)}.")
    seen = comparable(model, weights)
    spreads = {name: spread(tensor) for name, tensor in seen.items() if tensor[0].numel()}
    first, *others = spreads.values()
    return Statistics(
        names=found,
        tensors=tuple(_measured(name, one) for name, one in spreads.items()),
        whole=_measured("all", sum(others, first)),
    )


def weights_of(model: HyperDNN, context: Context, *, asker: str) -> Weights:
    """What is generated for contexts ``(n, ...)``, n at least 1, without leaving a trace: plain tensors.

    Raises:
        ContextError: for no context, or one without a context dimension.
    """
    with undisturbed(model.hypernet):
        given = typical_contexts(model, asker=asker) if context is None else context
        weights = model.generate(given)
        dims = model.target.layout.check(weights)
        if not dims or not dims.numel():
            raise ContextError(
                f"{asker} takes contexts (n, ...), one or more; the context dimensions are {tuple(dims)}."
            )
        return {name: tensor.detach() for name, tensor in solid(weights).items()}


def comparable(model: HyperDNN, weights: Weights) -> Weights:
    """Weights in one unit: of a distribution scales instead of their logarithms, whose zero is anywhere."""
    if not isinstance(model.target.combine, Gaussian):
        return weights
    ending = "log_scale"
    return {
        f"{name.removesuffix(ending)}scale" if name.endswith(ending) else name: (
            tensor.exp() if name.endswith(ending) else tensor
        )
        for name, tensor in weights.items()
    }


def _measured(name: str, sums: Spread) -> TensorStatistics:
    alone = len(sums.squares) == 1
    return TensorStatistics(
        name=name,
        numbers=sums.numbers,
        norms=sums.squares.sqrt(),
        between=math.nan if alone else sums.between,
        within=float((sums.within.mean() / sums.numbers).sqrt()),
        rank=sums.rank,
        cosine=sums.cosine,
        distances=sums.distances,
    )


def _shown(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else ("" if math.isnan(value) else "infinite")
