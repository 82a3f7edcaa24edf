"""A network as a program of torch's."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from hyperdnn.export._example import example_of
from hyperdnn.export._exported import Exported
from hyperdnn.export._trace import evaluating, quiet, trace
from hyperdnn.export._write import write
from hyperdnn.typing import Context

__all__ = ["program"]


def program(
    module: nn.Module, path: str | Path, inputs: Any, *, context: Context | None = None, batch: int | None = 0
) -> Exported:
    """Write a network as a program of ``torch.export``: torch runs it without the network's code, and without hyperdnn.

    ``program(model.bake(context), "one.pt2", x)`` writes the network of one context. ``program(model, "all.pt2", x,
    context=context)`` writes the whole HyperDNN, which generates inside of the program: its context is an input, the
    last one. Load with ``torch.export.load(path).module()``.

    The network is exported in evaluation, whatever its mode. The file is read back before it takes its place, and its
    outputs are compared with the network's on the example, with twice as many samples, and with one.

    Args:
        module: a plain network, or a HyperDNN.
        path: the file, such as ``"net.pt2"``; its folder is made if it does not exist.
        inputs: an example: a tensor, a tuple of inputs, or a dict of inputs by name.
        context: with a HyperDNN an example of it too: one context, or many with their own samples each, of which any
            number can then be passed.
        batch: which dimension of all inputs is that of the samples, whose number may vary; with many contexts counted
            behind theirs. None if all sizes are fixed.

    Raises:
        ExportError: if torch cannot follow the network, or what was read back computes something else.
        ContextError: if a HyperDNN has no context, or a plain network has one.
        ConfigError: if the inputs do not fit.
        CheckpointError: if nothing can be written there.
    """
    with evaluating(module):
        example = example_of(module, inputs, context=context, batch=batch)
        traced = trace(module, example)

        def save(place: Path) -> None:
            with quiet():
                torch.export.save(traced, place)

        return write(module, Path(path), example, save, _read)


def _read(path: Path) -> nn.Module:
    with quiet():
        run: nn.Module = torch.export.load(path).module()
    return run
