"""Where generated parameters live in a module."""

from collections.abc import Iterator

from torch import nn

from hyperdnn.errors import LayoutError
from hyperdnn.layout import ParamLayout

__all__ = ["check_untouched", "places", "take_away"]


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


def take_away(module: nn.Module, layout: ParamLayout) -> None:
    """Remove parameters from a module. Their entries stay as None, so that weights can be passed in their place."""
    for owner, leaf, _ in places(module, layout):
        owner._parameters[leaf] = None


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
