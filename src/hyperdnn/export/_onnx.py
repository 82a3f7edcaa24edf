"""A network as an ONNX file."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from hyperdnn._torch import tree_leaves
from hyperdnn.errors import ExportError, MissingExtraError
from hyperdnn.export._example import Example, example_of
from hyperdnn.export._exported import Exported
from hyperdnn.export._trace import evaluating, first_line, quiet, trace
from hyperdnn.export._write import write
from hyperdnn.typing import Context

__all__ = ["onnx"]

_WAYS_OUT = "Use another operator in the network, or export.program, which has all of torch's."


def onnx(
    module: nn.Module, path: str | Path, inputs: Any, *, context: Context | None = None, batch: int | None = 0
) -> Exported:
    """Write a network as an ONNX file, which runs without torch: in a browser, on a phone, in another language.

    ``onnx(model.bake(context), "one.onnx", x)`` writes the network of one context. ``onnx(model, "all.onnx", x,
    context=context)`` writes the whole HyperDNN, which generates inside of the graph: its context is an input, the last
    one, named ``context``. The others are named like the arguments of the network's forward method, what it returns
    ``output``, or ``output_0`` and so on. Above two gigabytes the weights lie in a second file beside the first.

    The network is exported in evaluation, whatever its mode. The file is read back by onnxruntime before it takes its
    place, and its outputs are compared with the network's on the example, with twice as many samples, and with one.

    Args:
        module: a plain network, or a HyperDNN.
        path: the file, such as ``"net.onnx"``; its folder is made if it does not exist.
        inputs: an example: a tensor, a tuple of inputs, or a dict of inputs by name.
        context: with a HyperDNN an example of it too: one context, or many with their own samples each, of which any
            number can then be passed.
        batch: which dimension of all inputs is that of the samples, whose number may vary; with many contexts counted
            behind theirs. None if all sizes are fixed.

    Raises:
        ExportError: if torch cannot follow the network, ONNX lacks one of its operators, onnxruntime does not run it,
            or what was read back computes something else.
        ContextError: if a HyperDNN has no context, or a plain network has one.
        ConfigError: if the inputs do not fit.
        CheckpointError: if nothing can be written there.
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
    """
    _check_installed()
    with evaluating(module):
        example = example_of(module, inputs, context=context, batch=batch)
        graph = _convert(module, example)

        def save(place: Path) -> None:
            with quiet():
                graph.save(place)

        return write(module, Path(path), example, save, _read)


def _check_installed() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError:
            raise MissingExtraError(package, extra="export") from None


def _convert(module: nn.Module, example: Example) -> Any:
    traced = trace(module, example)
    outputs = [leaf for leaf in tree_leaves(example.call(module)) if isinstance(leaf, Tensor)]
    try:
        with torch.no_grad(), quiet():
            return torch.onnx.export(
                traced,
                dynamo=True,
                verbose=False,
                dynamic_shapes=example.shapes(module, {name: Dim(name) for name in example.names}),
                input_names=example.input_names(module),
                output_names=["output"] if len(outputs) == 1 else [f"output_{k}" for k in range(len(outputs))],
            )
    except torch.onnx.errors.OnnxExporterError as error:
        operator = re.search(r"op='([\w.:]+)'", str(error))
        what = f"ONNX has no '{operator[1]}', which {type(module).__name__} uses." if operator else first_line(error)
        raise ExportError(f"{what} {_WAYS_OUT}") from error


def _read(path: Path) -> Callable[..., list[Tensor]]:
    """What the file computes, of inputs that come as to the network."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what stops it is raised
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # a class of its own for each kind of failure
        raise _refused(error) from error
    names = [given.name for given in session.get_inputs()]

    def run(*args: Any, **kwargs: Any) -> list[Tensor]:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        feed = {name: tensor.detach().cpu().numpy() for name, tensor in zip(names, tensors, strict=True)}
        try:
            outputs = session.run(None, feed)
        except Exception as error:
            raise _refused(error) from error
        return [torch.from_numpy(found) for found in outputs]

    return run


def _refused(error: Exception) -> ExportError:
    reason = first_line(error).rpartition(" : ")[2].rstrip(".")
    return ExportError(
        f"onnxruntime does not run the file: {reason}. It has most operators in float32 only: export net.float()."
    )
