"""How far networks are from each other: by their weights, and by what they do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.inspect._outcome import Mode, outputs, portions
from hyperdnn.inspect._plain import plain
from hyperdnn.inspect._probe import Probe
from hyperdnn.inspect._spread import SAME, spread
from hyperdnn.inspect._statistics import comparable, weights_of
from hyperdnn.inspect._vitals import undisturbed
from hyperdnn.inspect._weight_words import listed, share
from hyperdnn.models import HyperDNN
from hyperdnn.typing import Context

__all__ = ["NetworkDistances", "network_distances"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkDistances:
    """What `network_distances` measured between contexts; print it.

    Args:
        names: of the contexts.
        probes: whose inputs the networks were run on.
        weights: ``(contexts, contexts)``, root mean square difference of all generated numbers.
        outputs: ``(contexts, contexts)``, root mean square difference of the outputs.
        sizes: ``(contexts,)``, root mean square of each network's outputs.
        disagreement: ``(contexts, contexts)``, share of inputs to which two networks give different classes; None
            where outputs are not scores of classes.
    """

    names: tuple[str, ...]
    probes: tuple[str, ...]
    weights: Tensor
    outputs: Tensor
    sizes: Tensor
    disagreement: Tensor | None

    @property
    def correlation(self) -> float:
        """Rank correlation (Spearman's) of the two distances over all pairs; nan for less than three pairs.

        Near 1, contexts with alike weights do alike things; near 0, the distance of weights says nothing.
        """
        pairs = tuple(torch.triu_indices(len(self.names), len(self.names), 1))
        ranks = torch.stack([_ranks(self.weights[pairs]), _ranks(self.outputs[pairs])])
        return float(torch.corrcoef(ranks)[0, 1]) if ranks.shape[1] > 2 else float("nan")

    def findings(self) -> tuple[str, ...]:
        """What the numbers say, in words."""
        return tuple(self._findings())

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values; None stands where a number is not finite or missing."""
        data: dict[str, Any] = plain(self)
        return data | {"correlation": plain(self.correlation), "findings": list(self.findings())}

    def __str__(self) -> str:
        width = max(len("contexts"), *(len(name) for name in self.names))
        lines = [f"{'contexts':<{width}}  {'':<{width}}  {'weights':>9}  {'outputs':>9}"]
        lines[0] += f"  {'disagree':>9}" if self.disagreement is not None else ""
        for i, j in torch.triu_indices(len(self.names), len(self.names), 1).T.tolist():
            row = f"{self.names[i]:<{width}}  {self.names[j]:<{width}}"
            row += f"  {float(self.weights[i, j]):>9.3g}  {float(self.outputs[i, j]):>9.3g}"
            lines.append(row if self.disagreement is None else f"{row}  {float(self.disagreement[i, j]):>9.1%}")
        return "\n".join([*lines, *self.findings()])

    def _findings(self) -> Iterator[str]:
        pairs = torch.triu_indices(len(self.names), len(self.names), 1)
        if not pairs.numel():
            return
        outputs, weights = self.outputs[tuple(pairs)], self.weights[tuple(pairs)]
        if not bool(outputs.isfinite().all()):
            broken = [self.names[k] for k in (~self.sizes.isfinite()).nonzero().flatten().tolist()]
            yield f"Outputs are not finite for {listed(broken)}."
            return
        size = float(self.sizes.square().mean().sqrt())
        if float(outputs.max()) <= SAME * size:
            same = "" if float(weights.max()) == 0 else ", though their weights differ"
            yield f"All {len(self.names)} networks do the same on these inputs{same}."
            return
        far = listed([self.names[k] for k in pairs[:, int(outputs.argmax())].tolist()])
        mean, several = float(outputs.square().mean().sqrt()) / size, len(outputs) > 1
        most = f" on average, most those of {far}" if several else ""
        yield f"On the same inputs the outputs of two networks differ by {share(mean)} of their size{most}."
        if self.disagreement is not None:
            apart = self.disagreement[tuple(pairs)]
            ends = f" on average, from {share(float(apart.min()))} to {share(float(apart.max()))}" if several else ""
            yield f"Two networks give different classes to {share(float(apart.mean()))} of the inputs{ends}."
        if pairs.shape[1] > 2 and self.correlation == self.correlation:
            strength = abs(self.correlation)
            how = "says much" if strength > 0.7 else "says something" if strength > 0.3 else "says little"
            yield (
                f"The distance of two contexts' weights {how} about the distance of their outputs: rank correlation "
                f"{self.correlation:.2f}."
            )


def network_distances(
    model: HyperDNN,
    probes: Sequence[Probe],
    context: Context = None,
    *,
    names: Sequence[str] | None = None,
    classes: bool = False,
    mode: Mode = "vmap",
) -> NetworkDistances:
    """Compare the networks of all pairs of contexts, in weight space and in function space.

    Every network is run on the inputs of all probes, whichever context they belong to. Nothing of the model is changed;
    it runs in evaluation mode, a distribution over weights at its mean. Weights count as they are generated.

    Args:
        model: to look at.
        probes: whose inputs are taken, one or more.
        context: contexts ``(n, ...)``; by default as for `check_init`.
        names: one for each of them; by default their numbers, from 0.
        classes: whether outputs are scores ``(..., classes)``, whose largest decides.
        mode: as for `Target.batched`.

    Raises:
        ContextError: if the contexts cannot be guessed, or there are none.
        ConfigError: without a probe, or if there is not one name for each context.
        BufferPolicyError: if every context has running statistics of its own.
    """
    if not probes:
        raise ConfigError("network_distances: expected one probe or more, got none.")
    weights = weights_of(model, context, asker="network_distances")
    contexts = len(next(iter(weights.values())))
    found = tuple(map(str, range(contexts))) if names is None else tuple(names)
    if len(found) != contexts:
        raise ConfigError(f"network_distances: expected one name for each of {contexts} contexts, got {len(found)}.")
    first, *others = [spread(tensor) for tensor in comparable(model, weights).values() if tensor[0].numel()]
    sums, differ, answers = [], torch.zeros(contexts, contexts), 0
    with undisturbed(model):
        for probe in probes:
            parts = portions(model, contexts, (probe,))
            run = torch.cat([outputs(model, {n: w[k] for n, w in weights.items()}, probe, mode) for k in parts])
            sums.append(spread(run))
            if classes:
                chosen = run.argmax(-1).flatten(1)
                answers += chosen.shape[1]
                differ += torch.stack([(chosen != row).sum(1) for row in chosen]).cpu()
    together = sum(sums[1:], sums[0])
    return NetworkDistances(
        names=found,
        probes=tuple(probe.name for probe in probes),
        weights=sum(others, first).distances,
        outputs=together.distances,
        sizes=(together.squares / together.numbers).sqrt(),
        disagreement=differ / answers if classes else None,
    )


def _ranks(values: Tensor) -> Tensor:
    """Ranks, equal values sharing the mean of theirs."""
    ordered = values.sort().values
    return (torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True)) / 2
