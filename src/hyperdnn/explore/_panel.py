"""The controls of a context as Gradio's components."""

import base64
import io
import math
import random
from collections.abc import Callable
from html import escape
from typing import Any, final

import torch
from torch import Tensor

from hyperdnn.explore._controls import Controls
from hyperdnn.explore._scene import Scene
from hyperdnn.typing import Context

__all__ = ["Panel"]

Values = dict[Any, Any]
"""Components, and what they hold."""
Jump = Callable[[Values], Values]


@final
class Panel:
    """Pickers, sliders and a button, as far as a scene's contexts have use for them; made where it is constructed.

    Args:
        gradio: the library.
        scene: what is explored.
        controls: what its contexts have.

    Attributes:
        first: which known context was picked.
        inputs: all components that say which context is meant.
        slider: the one that moves the context most directly.
        moves: events after which another context is meant.
        jumps: events after which controls go elsewhere too, each with what says where: a function of the components'
            values that gives new ones.
        places: the components that go elsewhere.
    """

    def __init__(self, gradio: Any, scene: Scene, controls: Controls) -> None:
        self._scene = scene
        self._controls = controls
        view, own = scene.view, scene.own
        known = [(name, k) for k, name in enumerate(view.names)]
        start = controls.start.tolist()
        picked = int((scene.known - controls.start).abs().sum(1).argmin())
        label = f"this {view.context}" if not own else f"go to a known {view.context}"
        self.first = gradio.Dropdown(known, value=picked, label=label, elem_id="first")
        self._sliders = [
            gradio.Slider(
                *(one.low, one.high, start[k]), step=_step(one.high - one.low), label=one.label, elem_id=f"number-{k}"
            )
            for k, one in enumerate(controls.sliders)
        ]
        self._base = gradio.State(start)
        # shares have a slider each, which reaches every blend
        blends = controls.kind != "shares" and len(known) > 1
        self._toward = gradio.Dropdown(
            [("nothing", None), *known] if own else known,
            value=None if own else (picked + 1) % len(known),
            label="blend with",
            visible=blends,
            elem_id="toward",
        )
        self._share = gradio.Slider(0, 1, 0, step=0.01, label="how much of it", visible=blends, elem_id="share")
        images = not own and _is_images(view.contexts)
        shown = self._thumbnails_of(picked, (picked + 1) % len(known)) if images else ""
        self._thumbnails = gradio.HTML(shown, visible=images, elem_id="thumbnails")
        self._draw = gradio.Button("Draw a context", size="sm", visible=own, elem_id="draw")
        self.inputs = [self.first, *self._sliders, self._base, self._toward, self._share]
        self.slider = [*self._sliders, self._share][0]
        self.places = [*self._sliders, self._base, self._share, self._thumbnails]
        self.moves = [one.input for one in (*self._sliders, self._share)]
        self.jumps: list[tuple[Any, Jump]] = []
        if own:
            self.moves.append(self._toward.input)
            self.jumps += [(self.first.input, self._to_known), (self._draw.click, self._to_drawn)]
        elif images:
            self.jumps += [(one.input, self._to_images) for one in (self.first, self._toward)]
        else:
            self.moves += [self.first.input, self._toward.input]

    def row(self, values: Values) -> Tensor:
        """The coordinates that the components' values mean.

        Raises:
            ContextError: they mean none.
        """
        stand = (values[slider] for slider in self._sliders)
        numbers = [None if number is None else float(number) for number in stand]
        start = values[self._base] if self._scene.own else self._scene.known[values[self.first]].tolist()
        return self._controls.row(start, numbers, values[self._toward], self._shared(values))

    def said(self, values: Values, row: Tensor) -> str:
        """The same in words."""
        return self._controls.said(row, values[self.first], values[self._toward], self._shared(values))

    def _shared(self, values: Values) -> float:
        return float(values[self._share] or 0)

    def _to_known(self, values: Values) -> Values:
        return self._to(self._scene.known[values[self.first]])

    def _to_drawn(self, values: Values) -> Values:
        return self._to(self._controls.drawn(random.getrandbits(32)))

    def _to(self, row: Tensor) -> Values:
        numbers = row.tolist()
        return {**dict(zip(self._sliders, numbers, strict=False)), self._base: numbers, self._share: 0}

    def _to_images(self, values: Values) -> Values:
        return {self._thumbnails: self._thumbnails_of(values[self.first], values[self._toward])}

    def _thumbnails_of(self, first: int, toward: int) -> str:
        view = self._scene.view
        assert isinstance(view.contexts, Tensor)
        figures = [
            f'<figure><img alt="{escape(view.names[k])}" src="{_png(view.contexts[k])}"><figcaption>'
            f"{escape(view.names[k])}</figcaption></figure>"
            for k in (first, toward)
        ]
        return f'<div class="thumbnails">{"".join(figures)}</div>'


def _is_images(contexts: Context) -> bool:
    return isinstance(contexts, Tensor) and contexts.ndim == 4 and contexts.shape[1] in {1, 3}


def _png(image: Tensor) -> str:
    """An image ``(channels, h, w)`` from 0 to 1, dark on light, as an address that holds it."""
    from PIL import Image

    pixels = (255 * image.clamp(0, 1)).round().to(torch.uint8).movedim(0, -1)
    picture = Image.fromarray(pixels.numpy() if len(image) == 3 else pixels[..., 0].numpy())
    stream = io.BytesIO()
    picture.save(stream, format="png")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _step(width: float) -> float:
    """A step of a slider: a hundredth of its way or a little less, as a round number."""
    return float(10 ** math.floor(math.log10(width / 100))) if math.isfinite(width) and width > 0 else 0.01
