"""Which tensors of a layout are meant."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import TypeAlias

from torch import nn

from hyperdnn.errors import LayoutError, nearest
from hyperdnn.layout._spec import ParamSpec

__all__ = ["Selector", "as_selectors", "choose", "qualified"]

Selector: TypeAlias = str | type[nn.Module] | Callable[[ParamSpec], bool]
"""A glob over names (``"*.norm.*"``), a layer type (``nn.Linear``, subclasses included) or a predicate over specs."""


def qualified(layer: type) -> str:
    """The name under which a layer type is kept in `ParamSpec.layer`."""
    return f"{layer.__module__}.{layer.__qualname__}"


def as_selectors(select: Selector | Iterable[Selector]) -> tuple[Selector, ...]:
    """One selector or several, as a tuple.

    Raises:
        LayoutError: if there is none, or something is neither glob nor layer type nor predicate.
    """
    several = isinstance(select, Iterable) and not isinstance(select, str | type)
    selectors: tuple[Selector, ...] = tuple(select) if several else (select,)  # type: ignore[assignment,arg-type]
    if not selectors:
        raise LayoutError("select is empty: nothing would be generated. Leave it out to generate everything.")
    for selector in selectors:
        if not isinstance(selector, str) and not callable(selector):
            raise LayoutError(f"select: expected globs, layer types or predicates, got select={selector!r}.")
    return selectors


def choose(specs: Iterable[ParamSpec], selectors: Iterable[Selector]) -> tuple[ParamSpec, ...]:
    """The specs that any of the selectors matches, in layout order. A tied tensor is matched by any of its names.

    Raises:
        LayoutError: if a selector matches nothing: a misspelt glob must not silently generate less.
    """
    everything = tuple(specs)
    chosen: set[str] = set()
    for selector in selectors:
        # A name counts as itself first: names may hold characters that are special in globs.
        matched = {spec.name for spec in everything if selector in spec.names}
        matched = matched or {spec.name for spec in everything if _matches(spec, selector)}
        if not matched:
            raise LayoutError(_nothing(selector, everything))
        chosen |= matched
    return tuple(spec for spec in everything if spec.name in chosen)


def _matches(spec: ParamSpec, selector: Selector) -> bool:
    if isinstance(selector, str):
        return any(fnmatchcase(name, selector) for name in spec.names)
    if isinstance(selector, type):
        return selector is nn.Module or qualified(selector) in spec.layer
    return bool(selector(spec))


def _nothing(selector: Selector, specs: tuple[ParamSpec, ...]) -> str:
    names = [name for spec in specs for name in spec.names]
    if isinstance(selector, str):
        return f"select='{selector}' matches no parameter.{nearest(selector, names)}"
    if isinstance(selector, type):
        layers = sorted({spec.layer[0].rpartition(".")[2] for spec in specs if spec.layer})
        found = ", ".join(layers)
        return f"select={selector.__name__} matches no parameter: none belongs to such a layer. Found: {found}."
    return f"select={selector!r} matches no parameter of {', '.join(repr(n) for n in names[:8])}."
