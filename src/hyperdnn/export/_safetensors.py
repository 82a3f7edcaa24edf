"""A network's weights alone."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch import nn

from hyperdnn._version import __version__
from hyperdnn.errors import ConfigError
from hyperdnn.export._example import example_of
from hyperdnn.export._exported import Exported
from hyperdnn.export._trace import evaluating
from hyperdnn.export._write import write
from hyperdnn.models import HyperDNN

__all__ = ["safetensors"]


def safetensors(
    module: nn.Module, path: str | Path, inputs: Any, *, metadata: Mapping[str, str] | None = None
) -> Exported:
    """Write a network's weights under their own names; whoever loads them has the network's code.

    ``safetensors(model.bake(context), "net.safetensors", x)``; load with ``safetensors.torch.load_model(net, path)``,
    ``net`` being built as the target was. Weights under several names are written once.

    The file is read back into a copy of the network before it takes its place, and outputs are compared on the example,
    in evaluation.

    Args:
        module: a plain network, such as `HyperDNN.bake` makes.
        path: the file, such as ``"net.safetensors"``; its folder is made if it does not exist.
        inputs: an example: a tensor, a tuple of inputs, or a dict of inputs by name.
        metadata: texts to write beside those that the file has of itself: class and versions.

    Raises:
        ExportError: if what was read back computes something else.
        ConfigError: for a HyperDNN, or metadata that are no texts.
        CheckpointError: if nothing can be written there.
    """
    if isinstance(module, HyperDNN):
        raise ConfigError(
            "a HyperDNN has a form of its own: model.save_pretrained(folder), or export model.bake(context)."
        )
    wrong = next(
        (k for k, text in (metadata or {}).items() if not (isinstance(k, str) and isinstance(text, str))), None
    )
    if wrong is not None:
        raise ConfigError(f"metadata: {wrong!r} and its value have to be texts.")
    facts = {"format": "pt", "class": type(module).__name__, "hyperdnn": __version__, "torch": torch.__version__}
    with evaluating(module):
        example = example_of(module, inputs, context=None, batch=None)

        def save(place: Path) -> None:
            save_model(module, str(place), {**facts, **(metadata or {})})

        return write(module, Path(path), example, save, lambda place: _read(place, module))


def _read(path: Path, module: nn.Module) -> nn.Module:
    """A copy, of whose own numbers none is left that the file should have."""
    net = copy.deepcopy(module)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.fill_(torch.nan if tensor.is_floating_point() or tensor.is_complex() else 0)
    load_model(net, str(path))
    return net
