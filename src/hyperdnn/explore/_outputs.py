"""The figure of what the generated network makes of its inputs: classes, a picture, or numbers."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from hyperdnn.explore._look import Look
from hyperdnn.explore._scene import Scene
from hyperdnn.explore._style import (
    CURRENT,
    DIVERGING,
    HATCHED,
    PINNED,
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
from hyperdnn.inspect import Probe

__all__ = ["outputs_figure"]

_MOST: Final = 100  # numbers of one output
_HEADS: Final = 3  # outputs of one input, each with its own classes, that there is room for
_BESIDE: Final = 0.47  # where a plot begins beside the picture of its input, of the whole width: its labels need room
_GAP: Final = 0.04  # between panels, of the same


def outputs_figure(scene: Scene, look: Look, pinned: Look | None, probe: int, sample: int) -> Plot:
    """What the network makes of one input, or of all of them where they are a picture's pixels or points of a line.

    Args:
        scene: what is explored.
        look: the context.
        pinned: another one to compare with.
        probe: number of the probe.
        sample: number of the input in it.
    """
    if not scene.view.probes:
        return empty("no outputs: the recipe's view has no data to run the network on")
    outputs = look.outputs[probe]
    if outputs is None:
        return empty("no outputs: see the message")
    if not bool(outputs.isfinite().all()):
        return empty("the outputs are not finite")
    data = scene.view.probes[probe]
    other = None if pinned is None else pinned.outputs[probe]
    if other is not None and not bool(other.isfinite().all()):
        other = None
    if scene.view.shows == "picture" and data.side is not None:
        return _picture(data, outputs, other)
    sample = min(sample, len(outputs) - 1)
    if scene.view.shows == "classes" and outputs.ndim > 1 and outputs.shape[-1] > 1:
        return _classes(data, outputs, other, sample)
    if data.inputs.ndim == 1 or data.inputs[0].numel() == 1:
        return _curve(data, outputs, other)
    return _numbers(data, outputs, other, sample)


def _classes(data: Probe, outputs: Tensor, other: Tensor | None, sample: int) -> Plot:
    """Probabilities of the classes, the true one marked, beside the input where it is a picture."""
    now = outputs[sample].float().softmax(-1).reshape(-1, outputs.shape[-1])[:_HEADS]
    then = None if other is None else other[sample].float().softmax(-1).reshape(-1, outputs.shape[-1])[:_HEADS]
    true = [] if data.targets is None else data.targets[sample].reshape(-1).tolist()
    traces, parts = _input(data.inputs[sample])
    left = _BESIDE - _GAP if traces else 0.0
    classes = list(range(now.shape[1]))
    width = (1 - left) / len(now)
    for head, shares in enumerate(now):
        panel, x0 = str(head + 2), left + head * width
        place = {"xaxis": f"x{panel}", "yaxis": f"y{panel}", "showlegend": head == 0}
        bar = {"type": "bar", "x": classes, "hovertemplate": "class %{x}: %{y:.1%}", **place}
        traces.append({**bar, "name": "this context", "y": numbers(shares.tolist()), "marker": {"color": CURRENT}})
        if then is not None:
            traces.append({**bar, "name": "pinned", "y": numbers(then[head].tolist()), "marker": HATCHED})
        if head < len(true) and float(true[head]).is_integer():
            mark = {"symbol": "triangle-down", "size": 11, "color": TRUTH}
            spot = {"mode": "markers", "x": [int(true[head])], "y": [1.06], "marker": mark, "cliponaxis": False}
            traces.append({"type": "scatter", "name": "true class", "hovertemplate": "true class", **spot, **place})
        name = "class" if len(now) == 1 else f"class, output {head + 1}"
        parts[f"xaxis{panel}"] = axis(name, domain=[x0 + _GAP, x0 + width], anchor=f"y{panel}", dtick=_tick(classes))
        title = "probability" if head == 0 else ""
        scale = {"range": [0, 1.12], "tickformat": ".0%", "nticks": 6, "showticklabels": head == 0}
        parts[f"yaxis{panel}"] = axis(title, anchor=f"x{panel}", **scale)
    return plot(traces, **parts)


def _picture(data: Probe, outputs: Tensor, other: Tensor | None) -> Plot:
    """The picture that the network is, what it should be, the pinned one's, and how they differ."""
    assert data.side is not None
    panels = [("this context", outputs, False)]
    if data.targets is not None:
        panels.append((f"given: {data.name}", data.targets, False))
    if other is not None:
        panels += [("pinned", other, False), ("difference", outputs - other, True)]
    traces: list[Mapping[str, Any]] = []
    parts: dict[str, Any] = {"annotations": []}
    width = 1 / len(panels)
    for k, (name, pixels, signed) in enumerate(panels):
        panel = str(k + 2)
        image = pixels.reshape(*data.side, -1).float()
        traces.append(_image(image, panel, signed=signed))
        parts.update(_frame(panel, (k * width, (k + 1) * width - 0.02)))
        parts["annotations"].append(heading(name, (k + 0.5) * width))
    return plot(traces, **parts)


def _curve(data: Probe, outputs: Tensor, other: Tensor | None) -> Plot:
    """Outputs over the one number that an input is."""
    x, order = data.inputs.reshape(-1).float().sort()
    line = {"type": "scatter", "mode": "lines", "x": numbers(x.tolist())}
    curves = [("this context", outputs, {"color": CURRENT, "width": 3})]
    if other is not None:
        curves.append(("pinned", other, {"color": PINNED, "width": 2, "dash": "dash"}))
    traces: list[Mapping[str, Any]] = [
        {**line, "name": name, "y": numbers(values.reshape(len(x), -1)[order, 0].tolist()), "line": style}
        for name, values, style in curves
    ]
    if data.targets is not None:
        dots = {"mode": "markers", "marker": {**marker("known"), "size": 5}}
        y = numbers(data.targets.reshape(len(x), -1).float()[order, 0].tolist())
        traces.insert(0, {**line, **dots, "name": "given", "y": y})
    return plot(traces, xaxis=axis("input"), yaxis=axis("output"))


def _numbers(data: Probe, outputs: Tensor, other: Tensor | None, sample: int) -> Plot:
    """The numbers that come out of one input, or the first of many."""
    traces, parts = _input(data.inputs[sample])
    series = [("this context", outputs[sample], {"color": CURRENT})]
    if other is not None:
        series.append(("pinned", other[sample], dict(HATCHED)))
    place = {"type": "bar", "xaxis": "x2", "yaxis": "y2"}
    for name, values, style in series:
        traces.append(
            {**place, "name": name, "y": numbers(values.reshape(-1)[:_MOST].float().tolist()), "marker": style}
        )
    if data.targets is not None and data.targets[sample].numel() == outputs[sample].numel():
        line = {"symbol": "line-ew", "size": 18, "line": {"width": 3, "color": TRUTH}}
        y = numbers(data.targets[sample].reshape(-1)[:_MOST].float().tolist())
        traces.append({**place, "type": "scatter", "mode": "markers", "name": "given", "y": y, "marker": line})
    left = _BESIDE if len(traces) > len(series) + 1 else 0.0
    parts["xaxis2"] = axis("output", domain=[left, 1], anchor="y2", dtick=_tick(range(outputs[sample].numel())))
    parts["yaxis2"] = axis("value", anchor="x2")
    return plot(traces, **parts)


def _input(inputs: Tensor) -> tuple[list[Mapping[str, Any]], dict[str, Any]]:
    """The input as a picture at the left, where it is one."""
    if inputs.ndim not in {2, 3} or min(inputs.shape[-2:]) < 4 or (inputs.ndim == 3 and inputs.shape[0] not in {1, 3}):
        return [], {}
    image = inputs.float() if inputs.ndim == 3 else inputs.float().unsqueeze(0)
    low, high = image.min(), image.max()
    image = (image - low) / (high - low) if high > low else torch.zeros_like(image)
    return [_image(image.movedim(0, -1), "", signed=False)], {
        **_frame("", (0.0, 0.26)),
        "annotations": [heading("input", 0.13)],
    }


def _image(image: Tensor, panel: str, *, signed: bool) -> Mapping[str, Any]:
    """Pixels ``(h, w, channels)`` from 0 to 1, or their differences around 0, of which channels are averaged."""
    place = {"xaxis": f"x{panel}", "yaxis": f"y{panel}", "hoverinfo": "x+y+z"}
    if image.shape[-1] == 3 and not signed:
        pixels = (255 * image.clamp(0, 1)).round().to(torch.uint8).tolist()
        return {"type": "image", "z": pixels, **place}
    colours = DIVERGING if signed else [[0, "#000000"], [1, "#ffffff"]]
    scale = {"zmin": -1 if signed else 0, "zmax": 1, "colorscale": colours, "showscale": False}
    return {"type": "heatmap", "z": cells(image.mean(-1)), **scale, **place}


def _frame(panel: str, domain: tuple[float, float]) -> dict[str, Any]:
    """Axes of a picture: square pixels, the first row above, no ticks."""
    bare = {"showgrid": False, "zeroline": False, "ticks": "", "showticklabels": False}
    square = {"scaleanchor": f"x{panel}", "constrain": "domain", "constraintoward": "top"}
    y = {**bare, **square, "autorange": "reversed", "anchor": f"x{panel}"}
    return {
        f"xaxis{panel}": {**bare, "domain": list(domain), "constrain": "domain", "anchor": f"y{panel}"},
        f"yaxis{panel}": y,
    }


def _tick(values: Any) -> int | None:
    return 1 if len(values) <= 12 else None
