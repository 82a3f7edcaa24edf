"""The figure of what each coordinate of a context does."""

import math
from textwrap import wrap

import torch

from hyperdnn.inspect import Sensitivity
from hyperdnn.lab.report._short import left_out, short, strongest
from hyperdnn.lab.report._svg import Figure, canvas, svg

__all__ = ["sensitivity_figure"]

_COORDINATES = 16
_LAYERS = 16
_PROBES = 4
_ANNOTATED = 8
"""Columns that have room for a number in each cell."""

_LETTERS = 45
"""In the labels of all columns side by side."""

_ROW = 0.17
"""Height of a row in inches."""


def sensitivity_figure(found: Sensitivity) -> Figure:
    """How much each coordinate changes each layer's weights, and below them the outputs, as colours.

    Args:
        found: what `inspect.sensitivity` measured.
    """
    weights, outputs = 100 * found.relative_weights, 100 * found.relative_outputs
    columns = strongest(weights.amax(1), _COORDINATES)
    layers, probes = strongest(weights.amax(0), _LAYERS), strongest(outputs.amax(0), _PROBES) if found.probes else []
    cells = torch.cat([weights[columns][:, layers], outputs[columns][:, probes]], 1).T
    names = [
        *(short(found.layers[k], head=0) for k in layers),
        *(short(f"outputs: {found.probes[k]}", head=10) for k in probes),
    ]
    room = _LETTERS // len(columns)
    lines = [wrap(found.coordinates[k], room, break_long_words=False) for k in columns]
    upright = any(len(line) + 1 > room for label in lines for line in label)
    labels = [short(found.coordinates[k], 16) for k in columns] if upright else ["\n".join(label) for label in lines]
    usual = "one standard deviation" if bool((found.spread > 0).any()) else "one unit"
    over = "of one context" if found.contexts == 1 else f"averaged over {found.contexts} contexts"
    with canvas() as (figure, axes):
        figure.set_size_inches(4.8, max(3.4, 1.6 + _ROW * len(names)))
        high = float(cells.nan_to_num(posinf=0.0).max())
        image = axes.imshow(cells.tolist(), vmin=0, vmax=high or 1, cmap="cividis", aspect="auto")
        bar = figure.colorbar(image, ax=axes, shrink=0.8, format="%g %%")
        bar.outline.set_visible(False)
        bar.set_label(f"change for {usual}")
        if len(columns) <= _ANNOTATED:
            for i, row in enumerate(cells.tolist()):
                for j, value in enumerate(row):
                    if not math.isfinite(value):
                        continue
                    ink = "#ffffff" if value < 0.6 * high else "#000001"  # matplotlib leaves pure black to the page
                    number = f"{value:.0f}" if value >= 10 else f"{value:.2g}"
                    axes.text(j, i, number, ha="center", va="center", color=ink, fontsize=7)
        if probes:
            axes.axhline(len(layers) - 0.5, color="#ffffff", linewidth=2)
        axes.spines[:].set_visible(False)
        axes.set_xticks(range(len(labels)), labels, rotation=90 if upright else 0)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.set_xlabel("coordinate of the context" if found.own else "coordinate of the encoded context")
        markup = svg(figure)
    return Figure(
        title="What each coordinate does",
        caption=f"Change of a layer's weights, and of outputs, for {usual} of a coordinate, as a share of their own "
        f"size; by derivatives, {over}."
        + left_out(len(found.coordinates), len(columns), "coordinates")
        + left_out(len(found.layers), len(layers), "layers")
        + left_out(len(found.probes), len(probes), "probes"),
        alt=f"Heat map of {len(names)} layers and outputs by {len(columns)} coordinates. {' '.join(found.findings())}",
        image=markup,
    )
