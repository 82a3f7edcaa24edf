"""More output rows for a layer of a target: more classes, more words, more channels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from hyperdnn.errors import LayoutError, nearest
from hyperdnn.layout import ParamLayout, ParamSpec
from hyperdnn.nn import Attached, Grown, Lookup, LoRA, extend_rows_, longer_runs
from hyperdnn.targets._base import layout_of, parts_of
from hyperdnn.targets._places import check_untouched, places

if TYPE_CHECKING:
    from hyperdnn.targets._target import Target

__all__ = ["longer", "resize"]

_ROWS: dict[type[nn.Module], str] = {
    nn.Linear: "out_features",
    nn.Bilinear: "out_features",
    nn.Embedding: "num_embeddings",
    nn.EmbeddingBag: "num_embeddings",
    Lookup: "num_embeddings",
    nn.Conv1d: "out_channels",
    nn.Conv2d: "out_channels",
    nn.Conv3d: "out_channels",
}
"""Layers whose tensors have one row for each output, and what they call the number of them. No subclasses: who knows
what those compute with."""


def longer(module: nn.Module, layout: ParamLayout, name: str, rows: int) -> ParamLayout:
    """What is taken from a module in which a layer has more output rows. Nothing is changed.

    Args:
        module: that was taken over.
        layout: what was taken away.
        name: of the layer.
        rows: how many it shall have.

    Raises:
        LayoutError: if there is no such layer, nothing of it is generated, it cannot grow, or has so many rows already.
    """
    check_untouched(module, layout)
    layer = _layer(module, layout, name)
    generated = [spec for spec in layout if layer in _owners(module, spec)]
    if not generated:
        raise LayoutError(
            f"'{name}': no parameter of it is generated, and only layers with generated weights are resized. Select "
            "it, or build the target with a larger layer."
        )
    _check_alone(module, layer, generated)
    old = int(getattr(layer, _ROWS[type(layer)]))
    if not 0 < old < rows:
        raise LayoutError(
            f"'{name}' has {old} rows, and {rows} were asked for: rows are added to a layer that has some, and "
            "never taken away. Otherwise build a target of the size that you want."
        )
    _check_rows(layer, generated, old)
    return ParamLayout(tuple(_longer(spec, old, rows) if spec in generated else spec for spec in layout))


def resize(target: "Target", name: str, rows: int) -> list[Grown]:
    """Give a layer its new rows: in the layouts, in what it says of itself, its kept parameters and the base weights.

    Args:
        target: that has the layer.
        name: of the layer.
        rows: how many it shall have.

    Returns:
        The kept and base parameters that were replaced; their new rows are drawn like the old ones.
    """
    old, replaced = target.replaced, longer(target.module, target.replaced, name, rows)
    parts = parts_of(target.combine, replaced)
    target.replaced, target._parts, target.layout = replaced, parts, layout_of(parts)
    layer = target.module.get_submodule(name)
    spec = next(spec for spec in old if spec.shape != replaced[spec.name].shape)
    more = longer_runs([spec.shape[0]], [rows])
    grown = extend_rows_(layer, more)
    setattr(layer, _ROWS[type(layer)], rows)
    if target.base is not None:
        grown += extend_rows_(target.base.get_submodule(spec.name.rpartition(".")[0]), more)
    return grown


def _layer(module: nn.Module, layout: ParamLayout, name: str) -> nn.Module:
    layers = dict(module.named_modules(remove_duplicate=False))
    if name not in layers:
        known = dict.fromkeys(spec.name.rpartition(".")[0] for spec in layout)
        raise LayoutError(f"the target has no layer '{name}'.{nearest(name, known)}")
    around = {path: outer for path, outer in layers.items() if f"{name}.".startswith(f"{path}." if path else "")}
    for path, outer in around.items():
        if isinstance(outer, LoRA | Attached):
            raise LayoutError(
                f"'{name}' belongs to '{path}', which has something attached: layer and attachment would no longer "
                "fit each other. Build a larger network and attach to that."
            )
        if isinstance(getattr(outer, "layout", None), ParamLayout):
            raise LayoutError(
                f"'{name}' belongs to a {type(outer).__name__}, in which target and hypernet fit each other as they "
                "are. Build that one larger, then the target."
            )
    layer: nn.Module = layers[name]
    if type(layer) not in _ROWS or getattr(layer, "groups", 1) != 1:
        kinds = ", ".join(sorted({kind.__name__ for kind in _ROWS if kind is not Lookup}))
        raise LayoutError(
            f"'{name}' is a {type(layer).__name__}{' with groups' if type(layer) in _ROWS else ''} and cannot get more "
            f"rows. Layers that can: {kinds}."
        )
    return layer


def _check_alone(module: nn.Module, layer: nn.Module, generated: Sequence[ParamSpec]) -> None:
    """Verify that no other layer has a tensor of this one too."""
    tied = [spec.name for spec in generated if any(owner is not layer for owner in _owners(module, spec))]
    kept = {id(parameter): leaf for leaf, parameter in layer.named_parameters(recurse=False)}
    others = [other for other in module.modules() if other is not layer]
    tied += [kept[id(p)] for other in others for p in other.parameters(recurse=False) if id(p) in kept]
    if tied:
        raise LayoutError(f"'{tied[0]}' is tied to a parameter of another layer and cannot grow alone.")


def _check_rows(layer: nn.Module, generated: Sequence[ParamSpec], rows: int) -> None:
    """Verify that all tensors of a layer have its rows: somebody may have added others."""
    shapes = {spec.name: spec.shape for spec in generated}
    shapes |= {leaf: tuple(parameter.shape) for leaf, parameter in layer.named_parameters(recurse=False)}
    odd = [name for name, shape in shapes.items() if shape[:1] != (rows,)]
    odd += [leaf for leaf, _ in layer.named_buffers(recurse=False)]
    if odd:
        raise LayoutError(
            f"'{odd[0]}' is not a parameter with a row for each of {rows} outputs: its layer cannot grow."
        )


def _owners(module: nn.Module, spec: ParamSpec) -> list[nn.Module]:
    """The layers that have the parameter, one for each of its names."""
    return [owner for owner, _, _ in places(module, ParamLayout((spec,)))]


def _longer(spec: ParamSpec, old: int, rows: int) -> ParamSpec:
    # One output reaches as many inputs as before; one input now reaches more outputs. An embedding has one input a row.
    fan_out = spec.fan_out if spec.kind == "embedding" else spec.fan_out // old * rows
    return replace(spec, shape=(rows, *spec.shape[1:]), fan_out=fan_out)
