"""Which layers of a module something is attached to."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple, TypeAlias

from torch import nn

from hyperdnn.errors import LayoutError, nearest
from hyperdnn.nn import Attached, LoRA
from hyperdnn.targets._target import Target

__all__ = ["Kind", "LayerSelector", "choose_layers", "layers_of", "own_layer"]

LayerSelector: TypeAlias = str | type[nn.Module]
"""A glob over module names (``"*.attn.*"``) or a layer type (``nn.Linear``, subclasses included)."""


class Kind(NamedTuple):
    """What is attached."""

    name: str
    layers: str
    """The layers it goes to, in words."""
    takes: Callable[[nn.Module], bool]
    """Whether a layer is one of them."""


def layers_of(net: nn.Module) -> dict[str, nn.Module]:
    """All modules under all their names, without the root.

    Left out is the inside of layers that have attachments, and of models that stand in the module as a layer.
    """
    found: dict[str, nn.Module] = {}
    inside: tuple[str, ...] = ()
    for name, layer in net.named_modules(remove_duplicate=False):
        if name and not name.startswith(inside):
            found[name] = layer
            if isinstance(layer, LoRA | Attached) or any(isinstance(child, Target) for child in layer.children()):
                inside = (*inside, f"{name}.")
    return found


def own_layer(layer: nn.Module) -> nn.Module:
    """The layer itself, under everything that is attached to it."""
    while isinstance(layer, LoRA | Attached):
        layer = layer.base
    return layer


def choose_layers(
    layers: Mapping[str, nn.Module], select: LayerSelector | Iterable[LayerSelector], kind: Kind
) -> dict[str, nn.Module]:
    """The layers that any selector matches and that can take the attachment, each under its first name.

    Raises:
        LayoutError: if a selector reaches none of them, or one that cannot be wrapped, or that has it already.
    """
    selectors = (select,) if isinstance(select, str | type) else tuple(select)
    if not selectors:
        raise LayoutError(f"select is empty: it must say which layers get {kind.name}.")
    chosen: set[int] = set()
    for selector in selectors:
        if not isinstance(selector, str | type):
            raise LayoutError(f"select: expected globs over module names or layer types, got {selector!r}.")
        # A name counts as itself first, as for parameters.
        matched = [name for name in layers if name == selector]
        matched = matched or [name for name, layer in layers.items() if _matches(name, layer, selector)]
        for name in matched:
            _check_called(name, layers)
            _check_free(name, layers[name], kind)
        taken = {id(layers[name]) for name in matched if kind.takes(layers[name])}
        if not taken:
            raise LayoutError(_nothing(selector, matched, layers, kind))
        chosen |= taken
    first: dict[int, str] = {}
    for name, layer in layers.items():
        if id(layer) in chosen:
            first.setdefault(id(layer), name)
    _check_separate(list(first.values()))
    return {name: layers[name] for name in first.values()}


def _matches(name: str, layer: nn.Module, selector: LayerSelector) -> bool:
    return fnmatchcase(name, selector) if isinstance(selector, str) else isinstance(own_layer(layer), selector)


def _check_called(name: str, layers: Mapping[str, nn.Module]) -> None:
    """Torch's attention reads the weights of its projections: a wrapper there would never be called."""
    owner = name.rpartition(".")[0]
    for path in (name, owner):
        if isinstance(layers.get(path), nn.MultiheadAttention):
            raise LayoutError(
                f"'{name}': nn.MultiheadAttention reads the weights of its projections and calls no layer, so nothing "
                f"can be attached to '{path}'. Generate a change of the weights themselves, Target(net, "
                f"select='{path}.*weight', combine=targets.LowRank(rank)), or use an attention of nn.Linear layers."
            )


def _check_free(name: str, layer: nn.Module, kind: Kind) -> None:
    attached = []
    while isinstance(layer, LoRA | Attached):
        attached.append("LoRA" if isinstance(layer, LoRA) else layer.name)
        layer = layer.base
    if kind.name in attached:
        raise LayoutError(f"'{name}' has {kind.name} already. Select other layers.")
    if kind.name == "LoRA" and attached:
        raise LayoutError(f"'{name}' has {attached[0]} behind it. Attach LoRA first.")


def _check_separate(names: list[str]) -> None:
    for name in names:
        inside = [other for other in names if other.startswith(f"{name}.")]
        if inside:
            raise LayoutError(f"'{inside[0]}' lies inside '{name}', which is selected too. Select one of them.")


def _nothing(selector: LayerSelector, matched: list[str], layers: Mapping[str, nn.Module], kind: Kind) -> str:
    if not layers:
        return f"there is no layer inside the module to attach {kind.name} to. Put it into an nn.Sequential."
    shown = f"'{selector}'" if isinstance(selector, str) else selector.__name__
    if matched:
        found = ", ".join(sorted({type(layers[name]).__name__ for name in matched}))
        return f"select={shown} matches no {kind.layers} that could get {kind.name}, only {found}."
    names = [name for name, layer in layers.items() if kind.takes(layer)]
    if isinstance(selector, str):
        advice = nearest(selector, [*names, *_globs(names)]) or nearest(selector, names)
        return f"select={shown} matches no layer.{advice}"
    found = ", ".join(sorted({type(own_layer(layers[name])).__name__ for name in names}))
    return f"select={shown} matches no layer. Found: {found or f'no {kind.layers}'}."


def _globs(names: Iterable[str]) -> list[str]:
    """Globs that reach layers by one part of their names: in a large module the names themselves are too many."""
    paths = [name.split(".") for name in names]
    last = dict.fromkeys(f"*.{path[-1]}" for path in paths if len(path) > 1 and not path[-1].isdigit())
    between = dict.fromkeys(f"*.{part}.*" for path in paths for part in path[1:-1] if not part.isdigit())
    return [*last, *between]
