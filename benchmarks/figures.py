"""Scaling curves as pictures."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.scaling import FIT_FROM
from hyperdnn.lab import report
from hyperdnn.lab.report._svg import canvas  # noqa: PLC2701 - the same look as the report pages

__all__ = ["scaling_figures"]

_COLOURS: Final = {1: "#0072b2", 2: "#e69f00"}
_LABELS: Final = {"size": "generated weights", "contexts": "contexts", "chunk": "numbers in a chunk"}
_KEYS: Final = {"size": "weights", "contexts": "contexts", "chunk": "chunk"}


def scaling_figures(curves: Mapping[str, Any]) -> list[report.Figure]:
    """Time and memory over each axis that was measured, on logarithmic scales, with the fitted power laws."""
    figures = []
    for axis in dict.fromkeys(curve["axis"] for curve in curves.values()):
        group = [curve for curve in curves.values() if curve["axis"] == axis]
        for quantity in ("time_ms", "peak_mb"):
            if any(point[quantity] for curve in group for point in curve["points"]):
                figures.append(_figure(axis, group, quantity))
    return figures


def _figure(axis: str, curves: Sequence[Mapping[str, Any]], quantity: str) -> report.Figure:
    what = "Time" if quantity == "time_ms" else "Peak memory"
    unit = "ms" if quantity == "time_ms" else "MiB"
    words = []
    with canvas() as (figure, plot):
        for curve in curves:
            threads, device = curve["points"][0]["threads"], curve["points"][0]["device"]
            known = [(p[_KEYS[axis]], p[quantity], p) for p in curve["points"] if p[quantity]]
            name = f"{threads} thread{'s' if threads > 1 else ''}" if device == "cpu" else device
            colour, fit = _COLOURS[threads], curve["fits"][quantity]
            if fit is not None:
                name += f", exponent {fit['exponent']:.2f} ({fit['low']:.2f} to {fit['high']:.2f})"
                fitted = [(x, y) for x, y, p in known if p["weights"] * p["contexts"] >= FIT_FROM]
                plot.plot(*zip(*fitted, strict=True), color=colour, linewidth=5, alpha=0.3, solid_capstyle="round")
            xs, ys = [x for x, _, _ in known], [y for _, y, _ in known]
            plot.plot(xs, ys, color=colour, marker="o", markersize=3, linewidth=1, label=name)
            words.append(name)
        plot.set_xscale("log")
        plot.set_yscale("log")
        for direction in (plot.xaxis, plot.yaxis):
            low, high = direction.get_view_interval()
            direction.get_major_locator().set_params(subs=(1, 2, 5) if high < 100 * low else (1,))
            direction.set_major_formatter(lambda value, _: _short(value))
            direction.set_minor_formatter(lambda value, _: "")
        plot.set_xlabel(_LABELS[axis])
        plot.set_ylabel(f"{what.lower()} of a step ({unit})")
        if words:
            figure.legend(loc="outside upper left", ncols=1, borderaxespad=0.0)
        fixed = ", ".join(_said(name, value) for name, value in curves[0]["fixed"].items()).capitalize()
        title = f"{what} over {_LABELS[axis]}"
        return report.Figure(
            title=title,
            caption=f"{fixed}."
            + (" The broad part of a line is where the power law is fitted." if _fitted(curves) else ""),
            alt=f"{title}, both logarithmic: {'; '.join(words)}.",
            image=report.svg(figure),
        )


def _short(value: float) -> str:
    """A power of ten as people write it: 100k, 10M, 0.1."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _fitted(curves: Sequence[Mapping[str, Any]]) -> bool:
    return any(fit is not None for curve in curves for fit in curve["fits"].values())


def _said(name: str, value: int) -> str:
    """A size that stays."""
    if name == "contexts":
        return "one context" if value == 1 else f"{value:,} contexts"
    return f"{value:,} weights" if name == "size" else f"chunks of {value:,}"
