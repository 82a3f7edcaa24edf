"""Where generated parameters live in a module."""

from collections.abc import Iterable, Iterator

from torch import nn

from hyperdnn.errors import LayoutError
from hyperdnn.layout import ParamLayout

__all__ = ["check_fresh", "check_untouched", "names_for_calls", "places", "release", "take_away"]

_MARK = "_generated_by_hyperdnn"


def check_fresh(module: nn.Module, target: type[nn.Module]) -> None:
    """Verify that no target has taken parameters of the module before; whole targets inside it are another matter.

    Args:
        module: to be taken over.
        target: the class of targets.

    Raises:
        LayoutError: naming the layer whose parameters are gone.
    """
    if isinstance(module, target):
        return
    if hasattr(module, _MARK):
        raise LayoutError(
            f"a Target already took over this {type(module).__name__}: its generated weights are gone. "
            "Pass a fresh module, and select everything that shall be generated in one Target."
        )
    for child in module.children():
        check_fresh(child, target)


def places(module: nn.Module, layout: ParamLayout) -> Iterator[tuple[nn.Module, str, str]]:
    """The owner of each parameter, aliases included, its name there, and its full name.

    Raises:
        LayoutError: if an owner is gone.
    """
    owners: dict[str, nn.Module] = {}
    for spec in layout:
        for name in spec.names:
            path, _, leaf = name.rpartition(".")
            if path not in owners:
                try:
                    owners[path] = module.get_submodule(path)
                except AttributeError as error:
                    raise _changed(name) from error
            yield owners[path], leaf, name


def take_away(where: Iterable[tuple[nn.Module, str, str]]) -> None:
    """Remove parameters from their owners. Their entries stay as None, so that weights can be passed in their place."""
    for owner, leaf, _ in where:
        owner._parameters[leaf] = None
        setattr(owner, _MARK, True)
        if isinstance(owner, nn.RNNBase):
            owner._flat_weights = []  # a second list of them: a swapped layer that somebody still holds must not run


def names_for_calls(module: nn.Module, layout: ParamLayout) -> dict[str, tuple[str, ...]]:
    """For each parameter one name for each place: a layer that stands in the module twice is filled once.

    Filled twice, ``functional_call`` would take the first filling for what was there before, and leave it behind.
    """
    seen: set[tuple[int, str]] = set()
    wanted: set[str] = set()
    for owner, leaf, name in places(module, layout):
        if (id(owner), leaf) not in seen:
            seen.add((id(owner), leaf))
            wanted.add(name)
    return {spec.name: tuple(name for name in spec.names if name in wanted) for spec in layout}


def release(owners: Iterable[nn.Module]) -> None:
    """Forget that parameters were taken away, in a copy that has got others."""
    for owner in owners:
        owner.__dict__.pop(_MARK, None)


def check_untouched(module: nn.Module, layout: ParamLayout) -> None:
    """Verify that the places are still empty.

    Raises:
        LayoutError: if a layer was replaced or removed, so that generated weights would meet another module.
    """
    for owner, leaf, name in places(module, layout):
        if owner._parameters.get(leaf, owner) is not None:
            raise _changed(name)


def _changed(name: str) -> LayoutError:
    return LayoutError(
        f"the target's module was changed after the Target took it over: '{name}' is no longer where its generated "
        "weight belongs. Change the module first, then build Target and hypernet."
    )
