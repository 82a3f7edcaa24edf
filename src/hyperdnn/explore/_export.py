"""What is seen, as files: the figures, the context, and the network that it has."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp

from safetensors.torch import save_file

from hyperdnn.errors import MissingExtraError
from hyperdnn.explore._look import Look
from hyperdnn.explore._scene import Scene
from hyperdnn.explore._style import Plot

__all__ = ["export"]


def export(scene: Scene, look: Look, figures: Mapping[str, Plot], said: str, folder: Path) -> list[Path]:
    """Write the baked network's tensors, and the figures as a page and as data.

    Args:
        scene: what is explored.
        look: the context.
        figures: by name.
        said: the context in words.
        folder: a new folder is made in it for each export, so that no earlier one is lost.

    Returns:
        ``weights.safetensors`` with the state dict of the target's own class, ``figures.html``, which needs no network
        to be read, and ``figures.json``.

    Raises:
        HyperDNNError: the target cannot be baked.
    """
    place = Path(mkdtemp(dir=folder))
    weights, page, data = (place / name for name in ("weights.safetensors", "figures.html", "figures.json"))
    model = scene.view.model
    baked = model.target.bake(look.weights)
    # clones: tied parameters share their numbers, which the format forbids
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in baked.state_dict().items()}
    save_file(tensors, weights, metadata={"context": said})
    written = {"context": said, "coordinates": look.row.tolist(), "figures": figures}
    data.write_text(json.dumps(written, allow_nan=False), encoding="utf-8")
    page.write_text(_html(figures, said), encoding="utf-8")
    return [weights, page, data]


def _html(figures: Mapping[str, Plot], said: str) -> str:
    try:
        from plotly.io import to_html
    except ImportError as error:
        raise MissingExtraError("plotly", extra="explore") from error
    from html import escape

    parts = [
        to_html(
            {"data": figure["data"], "layout": figure["layout"]},
            config=figure["config"],
            include_plotlyjs=k == 0,  # once, in the page itself
            full_html=False,
            validate=False,
        )
        for k, figure in enumerate(figures.values())
    ]
    title = escape(said)
    return f'<!doctype html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{"".join(parts)}'
