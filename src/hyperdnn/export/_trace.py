"""A network as torch's exported program."""

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from hyperdnn.errors import ExportError
from hyperdnn.export._example import Example

__all__ = ["evaluating", "first_line", "quiet", "trace"]

_LOGGERS = ("torch.onnx", "torch.fx", "torch.export", "torch._subclasses", "onnxscript", "onnx_ir")
_WARNINGS = (  # of torch, about itself: nothing that a caller could do otherwise
    r".*LeafSpec.* is deprecated",  # its exporter copies what it deprecates
    r"The tensor attributes .*_flat_weights",  # a recurrent layer's own list of its parameters
    r"# ONNX model has different number of inputs",  # constants are none; sizes then go without names
    r"# The axis name: ",  # one name for a size that several inputs share is what is wanted
)


def trace(module: nn.Module, example: Example) -> ExportedProgram:
    """Follow a call, with sizes that may vary.

    Raises:
        ExportError: if something in the network is not the same for every input, naming the line.
    """
    example.call(module)  # inputs that do not fit are the network's own error
    roomy = example.with_room()
    args, kwargs = roomy.inputs
    shapes = roomy.shapes(module, {name: Dim(name) for name in roomy.names})
    try:
        with torch.no_grad(), quiet():
            return torch.export.export(module, args, kwargs, dynamic_shapes=shapes)
    except Exception as error:  # whatever the network's own code raises, and many kinds of torch's own
        raise ExportError(f"torch.export cannot follow {_name(module)}: {_reason(error)}") from error


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Inside, all layers are in evaluation; then each is as it was."""
    modes = [(layer, layer.training) for layer in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for layer, mode in modes:
            layer.training = mode


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, exporters keep to themselves what they say while they work; what stops them is raised."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    nowhere = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        for message in _WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def first_line(error: BaseException) -> str:
    """What went wrong, without the advice for torch's own developers."""
    return str(error).strip().partition("\n")[0]


def _reason(error: Exception) -> str:
    text = str(error)
    fixed = re.search(r"marked (\w+) as dynamic but your code specialized it to be a constant \((\d+)\)", text)
    if fixed:
        name, size = fixed.groups()
        return (
            f"its code fixes the number of {_PLURALS.get(name, name)} to the example's {size}. Take sizes from the "
            "input, x.shape[0], or pass batch=None for a file of just these sizes."
        )
    line = re.search(r"The following call raised this error:\s*\n(.*?)\n\s*\n", text, re.DOTALL)
    where = " ".join(line[1].split()) if line else ""
    if "data-dependent" in text:
        return (
            f"its code decides by values of tensors, which a program cannot. {where} Compute both and choose by "
            "torch.where; or ship the weights, export.safetensors."
        )
    return f"{first_line(error)} {where}".strip()


_PLURALS = {"batch": "samples"}


def _name(module: nn.Module) -> str:
    return type(module).__name__
