"""The page: controls at the left, where the context is in the middle, what it generates and predicts at the right."""

import json
import random
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, final

import torch

from hyperdnn.errors import HyperDNNError
from hyperdnn.explore._controls import Controls
from hyperdnn.explore._export import export
from hyperdnn.explore._figures import losses_figure, maps_figure, weights_figure
from hyperdnn.explore._look import Look
from hyperdnn.explore._outputs import outputs_figure
from hyperdnn.explore._panel import Panel
from hyperdnn.explore._scene import Scene
from hyperdnn.explore._style import Plot, empty
from hyperdnn.explore._words import message, numbers_table

__all__ = ["Page"]

_OWN: Final = -1  # stands for the probe that belongs to the picked context
_FIGURES: Final = ("maps", "losses", "weights", "outputs")
_CSS: Final = """
footer { display: none !important; }
.gradio-container .numbers { width: 100%; font-size: 13px; line-height: 1.3; border-collapse: collapse; }
.gradio-container :is(.numbers, .numbers tr) { border: 0 !important; }
.gradio-container .numbers :is(th, td) {
  text-align: left; padding: 4px 6px 4px 0; border: 0; border-bottom: 1px solid #d1d9e0; font-weight: normal;
}
.gradio-container .numbers td { font-variant-numeric: tabular-nums; }
.gradio-container .numbers thead th { color: #59636e; }
.here { font-size: 16px; font-weight: 600; margin: 0; }
#trouble:not(:has(p)) { display: none; }
.trouble { border-left: 4px solid #d55e00; padding: 4px 10px; margin: 0; }
.thumbnails { display: flex; gap: 16px; } .thumbnails figure { margin: 0; font-size: 12px; }
.thumbnails img { width: 84px; image-rendering: pixelated; border: 1px solid #c4c9cf; display: block; }
"""
_LIGHT: Final = "() => document.body.classList.remove('dark')"  # figures are drawn on white


@final
class Page:
    """The page of one scene, as Gradio's blocks.

    Args:
        scene: what is explored.
        title: of the page.
        folder: where exported files are written.

    Attributes:
        blocks: to be launched.
        style: what `launch` takes besides.
    """

    def __init__(self, scene: Scene, *, title: str, folder: Path) -> None:
        import gradio

        self._scene = scene
        self._folder = folder
        self._controls = Controls(scene)
        # the pinned context is looked at again with every move of the other one
        self._look = lru_cache(maxsize=2)(lambda numbers: scene.look(torch.tensor(numbers, dtype=scene.known.dtype)))
        with gradio.Blocks(title=title, analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as blocks:
            self._build(gradio, title)
            self._connect(gradio, blocks)
        self.blocks = blocks
        fonts: Mapping[str, Any] = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
        self.style = {"theme": gradio.themes.Base(**fonts), "css": _CSS, "js": _LIGHT}

    def _build(self, gradio: Any, title: str) -> None:
        view, layers = self._scene.view, self._scene.limits
        gradio.Markdown(f"## {title}")
        with gradio.Row():
            with gradio.Column(scale=4, min_width=330):
                self.here = gradio.HTML(elem_id="here")
                self.panel = Panel(gradio, self._scene, self._controls)
                with gradio.Row():
                    self.pin = gradio.Button("Pin this context", size="sm", min_width=90, elem_id="pin")
                    self.unpin = gradio.Button("Unpin", size="sm", min_width=90, elem_id="unpin")
                    self.save = gradio.Button("Export", size="sm", min_width=90, elem_id="export")
                self.trouble = gradio.HTML(elem_id="trouble")
                self.words = gradio.HTML(elem_id="words")
                self.files = gradio.Files(label="exported", visible=False, elem_id="files")
            with gradio.Column(scale=5, min_width=400):
                self.maps = gradio.Plot(label="Map", elem_id="maps")
                self.losses = gradio.Plot(label="Loss", elem_id="losses")
            with gradio.Column(scale=5, min_width=400):
                matrices = [spec.name for spec in view.model.target.layout if len(spec.shape) > 1]
                self.layer = gradio.Dropdown(
                    list(layers), value=[*matrices, *layers][0], label="generated tensor", elem_id="layer"
                )
                self.weights = gradio.Plot(label="Generated weights", elem_id="weights")
                with gradio.Row(visible=bool(view.probes)):
                    self._build_inputs(gradio)
                self.outputs = gradio.Plot(label="Output", elem_id="outputs")
        self.pinned = gradio.State(None)

    def _build_inputs(self, gradio: Any) -> None:
        view = self._scene.view
        choices = [(probe.name, k) for k, probe in enumerate(view.probes)]
        if self._controls.kind == "known" and any(probe.context is not None for probe in view.probes):
            choices.insert(0, (f"the {view.context}'s own", _OWN))
        first = choices[0][1] if choices else None
        self.probe = gradio.Dropdown(choices, value=first, label="data", elem_id="probe", scale=4, min_width=160)
        most = max((len(probe.inputs) for probe in view.probes), default=1)
        single = view.shows != "picture" and most > 1
        self.sample = gradio.Slider(
            0, max(most - 1, 1), 0, step=1, label="input", visible=single, elem_id="sample", scale=3, min_width=130
        )
        self.another = gradio.Button(
            "Draw an input", size="sm", visible=single, elem_id="another", scale=1, min_width=70
        )

    def _connect(self, gradio: Any, blocks: Any) -> None:
        self._inputs = {*self.panel.inputs, self.pinned, self.layer, self.probe, self.sample}
        seen = [self.here, self.trouble, self.words, self.maps, self.losses, self.weights, self.outputs]
        common = {"inputs": self._inputs, "show_progress": "hidden", "api_visibility": "private", "queue": False}
        latest = {**common, "trigger_mode": "always_last"}
        gradio.on([*self.panel.moves, blocks.load], self.follow, outputs=seen, **latest)
        for event, jump in self.panel.jumps:
            gradio.on(event, self._after(jump), outputs=[*self.panel.places, *seen], **latest)
        gradio.on(self.pin.click, self._pin, outputs=[self.pinned, *seen], **common)
        gradio.on(self.unpin.click, self._unpin, outputs=[self.pinned, *seen], **common)
        gradio.on(self.layer.input, self._weights_only, outputs=[self.trouble, self.weights], **latest)
        gradio.on(
            [self.probe.input, self.sample.input], self._outputs_only, outputs=[self.words, self.outputs], **latest
        )
        gradio.on(self.another.click, self._draw_input, outputs=[self.sample, self.words, self.outputs], **common)
        gradio.on(self.save.click, self._export, outputs=[self.trouble, self.files], **common)

    @property
    def values(self) -> dict[Any, Any]:
        """What the page's controls hold when it is opened."""
        return {part: part.value for part in self._inputs}

    def follow(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """All that follows from the controls' values: component -> what it shows."""
        try:
            look, pinned = self._looks(values)
        except (HyperDNNError, RuntimeError) as error:
            nothing = {getattr(self, name): _sent(empty("see the message")) for name in _FIGURES}
            return {**nothing, self.here: "", self.words: "", self.trouble: _alert(str(error))}
        said = self.panel.said(values, look.row)
        shown = {getattr(self, name): _sent(self._figure(name, values, look, pinned)) for name in _FIGURES}
        words = numbers_table(self._scene, look, pinned, self._probe(values))
        return {
            **shown,
            self.here: f'<p class="here">{_escaped(self._scene.view.context)}: {_escaped(said)}</p>',
            self.words: words,
            self.trouble: _alert(message(look)),
        }

    def _after(self, jump: Any) -> Any:
        """What moves the controls themselves: they go to the new place, and everything follows."""

        def handler(values: dict[Any, Any]) -> dict[Any, Any]:
            moved = jump(values)
            return {**moved, **self.follow({**values, **moved})}

        return handler

    def _pin(self, values: dict[Any, Any]) -> dict[Any, Any]:
        try:
            row = self.panel.row(values).tolist()
        except HyperDNNError as error:
            return {self.trouble: _alert(str(error))}
        return {self.pinned: row, **self.follow({**values, self.pinned: row})}

    def _unpin(self, values: dict[Any, Any]) -> dict[Any, Any]:
        return {self.pinned: None, **self.follow({**values, self.pinned: None})}

    def _weights_only(self, values: dict[Any, Any]) -> dict[Any, Any]:
        return self._part(values, "weights")

    def _outputs_only(self, values: dict[Any, Any]) -> dict[Any, Any]:
        return self._part(values, "outputs", words=True)

    def _draw_input(self, values: dict[Any, Any]) -> dict[Any, Any]:
        probe = self._probe(values)
        assert probe is not None  # the button is there if probes are
        sample = random.randrange(len(self._scene.view.probes[probe].inputs))
        return {self.sample: sample, **self._part({**values, self.sample: sample}, "outputs", words=True)}

    def _part(self, values: dict[Any, Any], name: str, *, words: bool = False) -> dict[Any, Any]:
        try:
            look, pinned = self._looks(values)
        except (HyperDNNError, RuntimeError):
            return {}  # the message is there already
        found = {getattr(self, name): _sent(self._figure(name, values, look, pinned))}
        if words:
            found[self.words] = numbers_table(self._scene, look, pinned, self._probe(values))
        return found

    def _export(self, values: dict[Any, Any]) -> dict[Any, Any]:
        import gradio

        try:
            look, pinned = self._looks(values)
            figures = {name: self._figure(name, values, look, pinned) for name in _FIGURES}
            files = export(self._scene, look, figures, self.panel.said(values, look.row), self._folder)
        except (HyperDNNError, RuntimeError, OSError) as error:
            return {self.trouble: _alert(str(error))}
        return {self.files: gradio.Files([str(file) for file in files], visible=True)}

    def _looks(self, values: dict[Any, Any]) -> tuple[Look, Look | None]:
        row, pinned = self.panel.row(values), values[self.pinned]
        return self._look(tuple(row.tolist())), None if pinned is None else self._look(tuple(pinned))

    def _figure(self, name: str, values: dict[Any, Any], look: Look, pinned: Look | None) -> Plot:
        if name == "maps":
            return maps_figure(self._scene, look, pinned)
        if name == "losses":
            return losses_figure(self._scene, look, pinned)
        if name == "weights":
            return weights_figure(self._scene, look, pinned, values[self.layer])
        return outputs_figure(self._scene, look, pinned, self._probe(values) or 0, int(values[self.sample] or 0))

    def _probe(self, values: dict[Any, Any]) -> int | None:
        """The chosen probe; that of the picked context, if this was chosen and there is one."""
        probes, chosen = self._scene.view.probes, values[self.probe]
        if not probes or chosen != _OWN:
            return chosen if probes else None
        first = values[self.panel.first]
        return next((k for k, probe in enumerate(probes) if probe.context == first), 0)


def _sent(plot: Plot) -> Any:
    from gradio.components.plot import PlotData

    return PlotData(type="plotly", plot=json.dumps(plot, allow_nan=False))


def _alert(words: str) -> str:
    return f'<p class="trouble" role="alert">{_escaped(words)}</p>' if words else ""


def _escaped(words: str) -> str:
    from html import escape

    return escape(words)
