"""What was estimated against what is true, sample by sample."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain

from hyperdnn.lab.report._figures import colour, name_colours, say_empty
from hyperdnn.lab.report._svg import Figure, canvas, svg

__all__ = ["agreement"]


def agreement(
    estimates: Mapping[str, Sequence[float | None]],
    true: Sequence[float],
    *,
    title: str,
    caption: str = "",
    quantity: str,
) -> Figure:
    """Points of each variant in the plane of true and estimated values; on the diagonal the two agree.

    Args:
        estimates: variant -> one value for each sample; None or nan is left out.
        true: one value for each sample, on the horizontal axis.
        title: above the picture.
        caption: below it.
        quantity: what the values are, such as "effect".
    """
    finite = [v for v in chain(true, *estimates.values()) if v is not None and math.isfinite(v)]
    with canvas() as (figure, axes):
        for k, (variant, values) in enumerate(estimates.items()):
            heights = [math.nan if value is None else value for value in values]
            axes.scatter(true, heights, s=10, alpha=0.7, linewidths=0, color=colour(k), label=variant)
        if finite and estimates:
            axes.plot([min(finite), max(finite)], [min(finite), max(finite)], linewidth=0.6, color="#808080", zorder=0)
            name_colours(figure, estimates)
        else:
            say_empty(axes)
        axes.set_xlabel(f"true {quantity}")
        axes.set_ylabel(f"estimated {quantity}")
        alt = f"True and estimated {quantity} of {len(true)} samples for {', '.join(estimates) or 'nothing'}. {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))
