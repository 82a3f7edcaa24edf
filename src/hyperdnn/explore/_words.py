"""The same in words and numbers."""

import math
from html import escape

import torch

from hyperdnn.explore._look import Look, difference
from hyperdnn.explore._scene import Scene

__all__ = ["message", "numbers_table"]


def numbers_table(scene: Scene, look: Look, pinned: Look | None, probe: int | None) -> str:
    """Norm, place and loss of this context, of the pinned one, and how they differ; as HTML.

    Args:
        scene: what is explored.
        look: the context.
        pinned: another one to compare with.
        probe: number of the probe whose loss is meant; None where there is none.
    """
    names = scene.view.names
    rows = [("norm", "weights, norm", _number(look.norm), pinned and _number(pinned.norm), "")]
    apart = "" if pinned is None else _number(difference(look, pinned))
    rows.append(("apart", "weights, RMS difference", "", "", apart))
    nearest = [f"{names[one.nearest]}, at {_number(one.distance)}" if one else "" for one in (look, pinned)]
    rows.append(("nearest", f"nearest known {scene.view.context}", nearest[0], nearest[1], ""))
    if probe is not None and scene.view.probes[probe].loss is not None:
        data = scene.view.probes[probe]
        now, then = look.losses[probe], math.nan if pinned is None else pinned.losses[probe]
        title = f"{data.name}, {data.measure}"
        rows.append(("loss", title, _number(now), _number(then), _number(now - then, sign=True)))
    if probe is not None and pinned is not None:
        one, other = look.outputs[probe], pinned.outputs[probe]
        if one is not None and other is not None:
            rows.append(("outputs", "outputs, RMS difference", "", "", _number(_rms(one - other))))
    rows = [row for row in rows if any(row[2:])]
    head = "<tr><th></th><th>this</th>" + ("<th>pinned</th><th>difference</th>" if pinned else "") + "</tr>"
    lines = [
        f'<tr id="{key}"><th>{escape(title)}</th>'
        + "".join(f"<td>{escape(cell or '')}</td>" for cell in (cells if pinned else cells[:1]))
        + "</tr>"
        for key, title, *cells in rows
    ]
    return f'<table class="numbers"><thead>{head}</thead><tbody>{"".join(lines)}</tbody></table>'


def message(look: Look) -> str:
    """What is wrong at a context, in words; empty where nothing is."""
    if look.broken:
        numel = sum(tensor.numel() for tensor in look.weights.values())
        return (
            f"{look.broken:,} of {numel:,} generated weights are not finite: the generator is broken at this context, "
            "or its training exploded. hyperdnn.inspect.health says where."
        )
    return f"The network could not be run on the data: {look.trouble}" if look.trouble else ""


def _number(value: float, *, sign: bool = False) -> str:
    return (f"{value:+.4g}" if sign else f"{value:.4g}") if math.isfinite(value) else ""


def _rms(change: torch.Tensor) -> float:
    return float(change.double().square().mean().sqrt())
