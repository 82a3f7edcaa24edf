"""What kind of hypernet it is."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias, final, get_args

from torch import nn

from hyperdnn import bodies, encoders, heads
from hyperdnn.errors import ConfigError
from hyperdnn.models import GraphHypernet, HyperDNN, Hypernet, Join, Stack, WeightMixture
from hyperdnn.nn import CrossAttention, Recurrent, RecurrentCell, SelfAttention

__all__ = ["Classification", "Conditioning", "Criterion", "classify"]

Conditioning: TypeAlias = Literal["task", "data", "noise"]
"""What a context stands for."""

_TASKS = (
    encoders.Table,
    encoders.Vector,
    encoders.ScaledVector,
    encoders.QuarterCircle,
    encoders.Fourier,
    encoders.Simplex,
)
_NOISE = (encoders.Noise, encoders.UniformNoise, encoders.LearnedNoise)
_CERTAIN = (encoders.Table, *_NOISE)  # what the others stand for depends on who fills them

_VARIABILITY = {
    "task": "a task's context is the same for all samples",
    "data": "a context made of data changes with the data",
    "noise": "noise is drawn anew",
}

_LAYERS: dict[str, tuple[type[nn.Module], ...]] = {
    "graph": (bodies.Graph, encoders.Graph),
    "CNN": (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
    "RNN": (nn.RNNBase, nn.RNNCellBase, Recurrent, RecurrentCell, bodies.RNN),
    "attention": (nn.MultiheadAttention, SelfAttention, CrossAttention, encoders.Set),
}


@final
@dataclass(frozen=True)
class Criterion:
    """One answer of `classify`, and what in the model it was read from.

    Args:
        values: the review's words, several where several hold; ``unknown`` where the model does not tell.
        reason: the parts that decide, and what was assumed.
    """

    values: tuple[str, ...]
    reason: str


@final
@dataclass(frozen=True, kw_only=True)
class Classification:
    """A hypernet by the five criteria of the review; print it.

    Args:
        input: ``task-conditioned``, ``data-conditioned`` or ``noise-conditioned``.
        output: ``generate once``, ``generate multiple``, ``component-wise`` or ``chunk-wise``. Beside them stands
            ``low-rank``, which is not the review's word.
        input_variability: ``static`` if a context stays the same for all samples, ``dynamic`` if it changes.
        output_variability: ``static`` if the generated weights keep names and shapes, ``dynamic`` if not.
        architecture: ``MLP``, ``CNN``, ``RNN``, ``attention``, ``graph`` or ``linear``.
    """

    input: Criterion
    output: Criterion
    input_variability: Criterion
    output_variability: Criterion
    architecture: Criterion

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values: criterion -> ``{"values": [...], "reason": "..."}``."""
        return {name: {**row, "values": list(row["values"])} for name, row in asdict(self).items()}

    def __str__(self) -> str:
        rows = [(field.name.replace("_", " "), getattr(self, field.name)) for field in fields(self)]
        name_width = max(len(name) for name, _ in rows)
        width = max(len(", ".join(row.values)) for _, row in rows)
        return "\n".join(f"{name:<{name_width}}  {', '.join(row.values):<{width}}  {row.reason}" for name, row in rows)


def classify(model: HyperDNN | GraphHypernet, *, conditioned_on: Conditioning | None = None) -> Classification:
    """Sort a model into the five criteria of the review, as far as its parts tell.

    Static or dynamic inputs follow from what the context is. A task's stays the same whatever sample the target sees:
    static, also where it is drawn anew in training, as a preference or a hyperparameter. One made of data changes with
    the data, and noise is drawn again for every network: dynamic. An architecture is what a task asks for: static.

    Args:
        model: to look at.
        conditioned_on: what the context stands for, where the encoder leaves it open. Otherwise vectors are taken for
            descriptions of a task, and what images, sets, sequences and modules of yours read for data; of a
            hypernet in one piece nothing is assumed.

    Raises:
        ConfigError: for something else than a model, if ``conditioned_on`` is unknown, or every encoder says already
            what it is conditioned on.

    Source:
        Chauhan, Zhou, Lu, Molaei & Clifton, "A Brief Review of Hypernetworks in Deep Learning", Artificial Intelligence
        Review 2024, section 3.
    """
    if conditioned_on is not None and conditioned_on not in get_args(Conditioning):
        raise ConfigError(f"conditioned_on: expected 'task', 'data' or 'noise', got {conditioned_on!r}.")
    if isinstance(model, GraphHypernet):
        if conditioned_on is not None:
            raise ConfigError("conditioned_on=: a GraphHypernet leaves nothing open. Leave the argument out.")
        return _of_architectures(model)
    if not isinstance(model, HyperDNN):
        inside = " Pass its .model." if isinstance(getattr(model, "model", None), HyperDNN) else ""
        raise ConfigError(f"classify takes a HyperDNN or a GraphHypernet, got a {type(model).__name__}.{inside}")
    hypernet = model.hypernet
    sources = _sources(hypernet, conditioned_on)
    closed = Criterion(("unknown",), f"{type(hypernet).__name__} is not a Hypernet: it has no parts to look at")
    parts = _hypernets(hypernet)
    return Classification(
        input=_input(sources) if sources else closed,
        output=_output(hypernet, [head for part in parts for head in _heads(part.head)]) if parts else closed,
        input_variability=_input_variability(sources) if sources else closed,
        output_variability=Criterion(("static",), f"one layout of {len(model.target.layout)} tensors for all contexts"),
        architecture=_architecture(_stages(parts)) if parts else closed,
    )


def _of_architectures(model: GraphHypernet) -> Classification:
    return Classification(
        input=Criterion(("task-conditioned",), f"{type(model.nodes).__name__}: an architecture describes the task"),
        output=_output(model, [model.head]),
        input_variability=Criterion(("static",), _VARIABILITY["task"]),
        output_variability=Criterion(("dynamic",), "names and shapes come with the architecture"),
        architecture=_architecture([("body", model.body)]),
    )


def _sources(hypernet: nn.Module, told: Conditioning | None) -> list[tuple[Conditioning, str]]:
    """What each context stands for, and why; empty if nobody knows."""
    inner = [encoder for part in _hypernets(hypernet) for encoder in _encoders(part.encoder)]
    if not inner:
        return [(told, f"{type(hypernet).__name__}: as told")] if told else []
    if isinstance(hypernet, WeightMixture) and hypernet.gate is not None:
        inner += _encoders(hypernet.gate)
    if told and all(isinstance(encoder, _CERTAIN) for encoder in inner):
        names = ", ".join(dict.fromkeys(type(encoder).__name__ for encoder in inner))
        raise ConfigError(f"conditioned_on={told!r}, but {names} leaves nothing open: leave the argument out.")
    return [_source(encoder, told) for encoder in inner]


def _source(encoder: nn.Module, told: Conditioning | None) -> tuple[Conditioning, str]:
    name = type(encoder).__name__
    if isinstance(encoder, _NOISE):
        return "noise", name
    if isinstance(encoder, encoders.Table):
        return "task", name
    if told:
        return told, f"{name}: as told"
    if isinstance(encoder, _TASKS):
        return "task", f"{name}: assumed to describe the task, else say conditioned_on="
    return "data", f"{name}: assumed to read data, else say conditioned_on="


def _hypernets(hypernet: nn.Module) -> list[Hypernet]:
    """The hypernets that generate, out of those that only hold others; empty if one of them is in one piece."""
    if isinstance(hypernet, WeightMixture):
        return _hypernets(hypernet.hypernet)
    if isinstance(hypernet, Join | Stack):
        parts = [_hypernets(part) for part in hypernet.hypernets]
        return [inner for part in parts for inner in part] if all(parts) else []
    return [hypernet] if isinstance(hypernet, Hypernet) else []


def _encoders(encoder: nn.Module) -> list[nn.Module]:
    """The encoders that read a context, out of those that only hold others."""
    if isinstance(encoder, encoders.Join | encoders.WeightedSum):
        return [inner for part in encoder.encoders for inner in _encoders(part)]
    return _encoders(encoder.encoder) if isinstance(encoder, encoders.Frozen) else [encoder]


def _input(sources: Sequence[tuple[Conditioning, str]]) -> Criterion:
    words, reasons = zip(*((f"{source}-conditioned", why) for source, why in sources), strict=True)
    return Criterion(_once(words), "; ".join(_once(reasons)))


def _input_variability(sources: Sequence[tuple[Conditioning, str]]) -> Criterion:
    found = _once(source for source, _ in sources)
    values = _once("static" if source == "task" else "dynamic" for source in found)
    return Criterion(values, "; ".join(_VARIABILITY[source] for source in found))


def _output(hypernet: nn.Module, parts: Sequence[nn.Module]) -> Criterion:
    values = [word for part in parts for word in _strategy(part)[0]]
    reasons = [_strategy(part)[1] for part in parts]
    if len(parts) > 1:
        values.insert(0, "generate multiple")
        holder = "Join" if isinstance(hypernet, Hypernet) else type(hypernet).__name__
        reasons.insert(0, f"{holder} of {len(parts)} heads")
    return Criterion(_once(values), "; ".join(_once(reasons)))


def _heads(head: nn.Module) -> list[nn.Module]:
    """The heads that generate, out of those that only hold others."""
    if isinstance(head, heads.Join):
        return [inner for part in head.heads for inner in _heads(part)]
    return _heads(head.head) if isinstance(head, heads.Linked) else [head]


def _strategy(head: nn.Module) -> tuple[tuple[str, ...], str]:
    name = type(head).__name__
    if isinstance(head, heads.FullHead):
        return ("generate once",), f"{name}: one map to all weights"
    if isinstance(head, heads.FlatHead):
        return ("generate once",), f"{name}: the body's output is the weights"
    if isinstance(head, heads.MultiHead):
        return ("generate multiple",), f"{name}: an output map for each of {len(head.layout)} tensors"
    if isinstance(head, heads.ChunkedHead):
        return ("chunk-wise",), f"{name}: {head.slots} chunks of {head.chunk:,} numbers"
    if isinstance(head, heads.ComponentHead):
        return ("component-wise",), f"{name}: {head.slots} components, each a {head.component}"
    if isinstance(head, heads.TiledHead):
        return ("component-wise",), f"{name}: a row for each node, made tensors with tiles of {head.tile}"
    if isinstance(head, heads.NodeHead):
        return ("component-wise",), f"{name}: a row for each node, a map for each of {len(head.shapes)} shapes"
    if isinstance(head, heads.CoordinateHead):
        return ("component-wise",), f"{name}: each of {head.layout.numel:,} weights a function of its position"
    if isinstance(head, heads.FactoredHead):
        why = f"{name}: one map to factors of rank {head.rank} (low-rank is not the review's word)"
        return ("generate once", "low-rank"), why
    return ("unknown",), f"{name} is a head of yours"


def _stages(hypernets: Sequence[Hypernet]) -> list[tuple[str, nn.Module]]:
    stages = [("body", hypernet.body) for hypernet in hypernets]
    return stages + [("encoder", part) for hypernet in hypernets for part in _encoders(hypernet.encoder)]


def _architecture(stages: Sequence[tuple[str, nn.Module]]) -> Criterion:
    values, reasons = [], []
    for role, part in stages:
        kinds = _kinds(part)
        values += kinds
        unknown = ": built of no layer that is known here" if kinds == ["unknown"] else ""
        reasons += [f"{role} {type(part).__name__}{unknown}"] if kinds else []
    if not values:
        return Criterion(("linear",), "the head alone: nothing before it has weights")
    return Criterion(_once(values), "; ".join(_once(reasons)))


def _kinds(part: nn.Module) -> list[str]:
    """What a stage is built of; empty if it transforms nothing."""
    if isinstance(part, (*_TASKS, *_NOISE)):
        return []
    inner = part.module if isinstance(part, encoders.FromModule) else part
    found = [kind for kind, layers in _LAYERS.items() if any(isinstance(module, layers) for module in inner.modules())]
    if found:
        return found
    if isinstance(inner, bodies.Linear | nn.Linear):
        return ["linear"]
    if any(isinstance(module, nn.Linear) for module in inner.modules()):
        return ["MLP"]
    return ["unknown"] if any(True for _ in inner.parameters()) else []


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
