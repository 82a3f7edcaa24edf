"""The figure of which layers carry the difference between two contexts."""

import math

from torch import Tensor

from hyperdnn.inspect import Swap
from hyperdnn.lab.report._figures import colour, name_colours
from hyperdnn.lab.report._short import left_out, short, strongest
from hyperdnn.lab.report._svg import INK, Figure, canvas, svg

__all__ = ["swap_figure"]

_MOST = 20
_ROW = 0.2
"""Height of a layer in inches."""


def swap_figure(found: Swap) -> Figure:
    """How far each layer alone takes one context's network towards the other's, and back: two bars for each.

    Args:
        found: what `inspect.swap` measured; the mean over its probes is shown.
    """
    taken, lost = found.taken.mean(0), found.lost.mean(0)
    shown = strongest(taken.maximum(lost), _MOST)
    first, second = (short(name) for name in found.names)
    bars = {
        f"{first} with layer of {second}": (taken, -0.2, ""),
        f"{second} with layer of {first}": (lost, 0.2, "////"),
    }
    with canvas() as (figure, axes):
        figure.set_size_inches(4.8, max(3.4, 1.2 + _ROW * len(shown)))
        for k, (label, (shares, shift, hatch)) in enumerate(bars.items()):
            lengths = _percent(shares[shown])
            places = [row + shift for row in range(len(shown))]
            axes.barh(
                places, lengths, height=0.36, color=colour(k), hatch=hatch, edgecolor=INK, linewidth=0.3, label=label
            )
        axes.axvline(100, color=INK, linewidth=0.8, linestyle=":")
        axes.set_xlim(0, max(105, 1.05 * axes.dataLim.x1 if math.isfinite(axes.dataLim.x1) else 0))
        axes.set_yticks(range(len(shown)), [short(found.layers[k], head=0) for k in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("change of outputs (% of the whole difference)")
        name_colours(figure, bars)
        image = svg(figure)
    return Figure(
        title=f"Layers that carry the difference between {found.names[0]} and {found.names[1]}",
        caption="Change of the outputs where one layer's weights alone are those of the other context. At the dotted "
        f"line it is as large as that of all layers together. {found.findings()[0]}"
        + left_out(len(found.layers), len(shown), "layers"),
        alt=f"Two bars for each of {len(shown)} layers. {' '.join(found.findings())}",
        image=image,
    )


def _percent(shares: Tensor) -> list[float]:
    return [100 * value if math.isfinite(value) else math.nan for value in shares.tolist()]
