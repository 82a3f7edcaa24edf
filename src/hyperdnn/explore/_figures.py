"""The figures of weights and losses: where the context is, what it generates, and what that costs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from torch import Tensor

from hyperdnn.explore._look import Look
from hyperdnn.explore._picture import grid, pictures
from hyperdnn.explore._scene import Scene
from hyperdnn.explore._style import (
    CURRENT,
    DIVERGING,
    HATCHED,
    TRUTH,
    Plot,
    axis,
    cells,
    empty,
    heading,
    marker,
    numbers,
    plot,
)
from hyperdnn.inspect import Map

__all__ = ["losses_figure", "maps_figure", "weights_figure"]

_NAMED: Final = 10  # points that have room for their names
_BARS: Final = 24
_BARE: Final[Mapping[str, Any]] = {"showgrid": False, "zeroline": False}
_SQUARE: Final[Mapping[str, Any]] = {"scaleratio": 1, "constrain": "range"}  # distances are the same both ways


def maps_figure(scene: Scene, look: Look, pinned: Look | None) -> Plot:
    """The known contexts in the plane, by their coordinates and by their generated weights, and where this one is."""
    own = scene.own and scene.known.shape[1] == 2
    places = scene.known if own else scene.contexts_map.points
    seen = {"current": look, "pinned": pinned}
    now = {
        role: (tuple(one.row.tolist()) if own else one.in_contexts, one.in_weights) for role, one in seen.items() if one
    }
    if look.broken:
        del now["current"]
    data = [
        *_points(scene.view.names, places, {role: one[0] for role, one in now.items()}, ""),
        *_points(scene.view.names, scene.weights_map.points, {role: one[1] for role, one in now.items()}, "2"),
    ]
    axes = ("number 1", "number 2")
    if own:
        first = (*scene.view.coordinates, *axes[len(scene.view.coordinates) :])[:2]
    else:
        first = _components(scene.contexts_map)
    second = _components(scene.weights_map)
    of = "contexts" if scene.own else "contexts' features"
    return plot(
        data,
        xaxis=axis(first[0], domain=[0, 0.42]),
        yaxis=axis(first[1], **_SQUARE, scaleanchor="x"),
        xaxis2=axis(second[0], domain=[0.58, 1], anchor="y2"),
        yaxis2=axis(second[1], **_SQUARE, scaleanchor="x2", anchor="x2"),
        annotations=[heading(of, 0.21), heading("generated weights", 0.79)],
    )


def losses_figure(scene: Scene, look: Look, pinned: Look | None) -> Plot:
    """The front between two objectives with this context on it, or the loss on each probe."""
    if all(probe.loss is None for probe in scene.view.probes):
        return empty("no losses: the recipe's view has no data with targets")
    if look.trouble:
        return empty("no losses: see the message")
    return _front(scene, look, pinned) if scene.objectives else _bars(scene, look, pinned)


def weights_figure(scene: Scene, look: Look, pinned: Look | None, layer: str) -> Plot:
    """One generated tensor, and how it differs from the pinned context's."""
    tensor = look.weights[layer]
    if not bool(tensor.isfinite().all()):
        return empty(f"{int((~tensor.isfinite()).sum()):,} of {tensor.numel():,} weights are not finite")
    scale, apart = scene.limits[layer]
    width = 0.93 if pinned is None else 0.34
    data = [_heat(pictures(tensor[None])[0], tensor, scale, "", width)]
    layout = grid(tuple(tensor.shape))
    parts: dict[str, Any] = {
        "xaxis": axis(layout.axes[1], domain=[0, width], dtick=_tick(layout.columns), **_BARE),
        "yaxis": axis(layout.axes[0], autorange="reversed", dtick=_tick(layout.rows), **_BARE),
        "annotations": [heading(layout.note if pinned is None else "this context", width / 2)],
    }
    if layout.rows == 1:
        parts["yaxis"]["visible"] = False
    if pinned is not None:
        change = (tensor - pinned.weights[layer])[None]
        data.append(_heat(pictures(change)[0], tensor, apart, "2", 0.93))
        parts["xaxis2"] = {**parts["xaxis"], "domain": [0.59, 0.93], "anchor": "y2"}
        parts["yaxis2"] = {**parts["yaxis"], "anchor": "x2", "title": None}
        parts["annotations"].append(heading("minus the pinned one", 0.76))
    return plot(data, **parts)


def _points(
    names: Sequence[str], places: Tensor, now: Mapping[str, Sequence[float]], panel: str
) -> list[Mapping[str, Any]]:
    known = {
        "type": "scatter",
        "mode": "markers+text" if len(names) <= _NAMED else "markers",
        "x": numbers(places[:, 0].tolist()),
        "y": numbers(places[:, 1].tolist()),
        "text": list(names),
        "textposition": "top center",
        "textfont": {"size": 10},
        "cliponaxis": False,
        "hovertemplate": "%{text}<extra></extra>",
        "marker": marker("known"),
    }
    traces = [_in(known, panel, "known contexts")]
    words = {"pinned": "pinned", "current": "this context"}
    for role, word in words.items():
        if role in now:
            x, y = now[role]
            one = {"type": "scatter", "mode": "markers", "x": [x], "y": [y], "cliponaxis": False}
            traces.append(_in({**one, "hovertemplate": word, "marker": marker(role)}, panel, word))
    return traces


def _in(trace: Mapping[str, Any], panel: str, name: str) -> Mapping[str, Any]:
    """The trace in its half of the figure; the legend names it once."""
    return {
        **trace,
        "name": name,
        "legendgroup": name,
        "showlegend": not panel,
        "xaxis": f"x{panel}",
        "yaxis": f"y{panel}",
    }


def _front(scene: Scene, look: Look, pinned: Look | None) -> Plot:
    first, second = scene.objectives or (0, 1)
    probes = scene.view.probes
    known = scene.losses[:, [first, second]]
    data: list[Mapping[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "known contexts",
            "x": numbers(known[:, 0].tolist()),
            "y": numbers(known[:, 1].tolist()),
            "text": list(scene.view.names),
            "hovertemplate": "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
            "marker": marker("known"),
        }
    ]
    data = [] if scene.trouble else data
    for role, word, one in (("pinned", "pinned", pinned), ("current", "this context", look)):
        if one is not None and math.isfinite(one.losses[first]) and math.isfinite(one.losses[second]):
            point = {"x": [one.losses[first]], "y": [one.losses[second]], "marker": marker(role)}
            data.append({"type": "scatter", "mode": "markers", "name": word, **point})
    return plot(
        data,
        xaxis=axis(f"{probes[first].name}: {probes[first].measure}"),
        yaxis=axis(f"{probes[second].name}: {probes[second].measure}"),
    )


def _bars(scene: Scene, look: Look, pinned: Look | None) -> Plot:
    probes = scene.view.probes
    shown = [k for k, probe in enumerate(probes) if probe.loss is not None][:_BARS]
    names = [probes[k].name for k in shown]
    bar = {"type": "bar", "x": names, "hovertemplate": "%{x}: %{y:.4g}"}
    data: list[Mapping[str, Any]] = [
        {**bar, "name": "this context", "y": numbers(look.losses[k] for k in shown), "marker": {"color": CURRENT}}
    ]
    if pinned is not None:
        data.append({**bar, "name": "pinned", "y": numbers(pinned.losses[k] for k in shown), "marker": HATCHED})
    own = [probes[k].context for k in shown]
    if not scene.trouble and any(context is not None for context in own):
        pairs = zip(shown, own, strict=True)
        best = numbers(math.nan if context is None else scene.losses[context, k].item() for k, context in pairs)
        line = {"symbol": "line-ew", "size": 18, "line": {"width": 3, "color": TRUTH}}
        data.append({"type": "scatter", "mode": "markers", "name": "the data's own context", "x": names, "y": best})
        data[-1] = {**data[-1], "marker": line}
    measures = sorted({probes[k].measure for k in shown})
    return plot(
        data,
        xaxis=axis("data", type="category", tickangle=-30 if len(shown) > 6 else 0),
        yaxis=axis(" / ".join(measures), rangemode="tozero"),
    )


def _heat(values: Tensor, tensor: Tensor, limit: float, panel: str, right: float) -> Mapping[str, Any]:
    layout = grid(tuple(tensor.shape))
    return {
        "type": "heatmap",
        "z": cells(values),
        "zmin": -limit,
        "zmax": limit,
        "zmid": 0,
        "colorscale": DIVERGING,
        "dx": layout.block[1],
        "dy": layout.block[0],
        "xaxis": f"x{panel}",
        "yaxis": f"y{panel}",
        "hovertemplate": "%{y}, %{x}: %{z:.4g}<extra></extra>",
        "colorbar": {"thickness": 10, "x": right + 0.01, "len": 1.0, "tickfont": {"size": 10}, "tickformat": ".2g"},
    }


def _components(chart: Map) -> tuple[str, str]:
    """Titles of a map's axes, with the share of the variance that lies along each."""
    first, second = chart.shares or (0.0, 0.0)
    return f"1st component ({first:.0%})", f"2nd component ({second:.0%})"


def _tick(count: int) -> int | None:
    """One tick for each of a few; plotly decides for many."""
    return 1 if count <= 12 else None
