"""An adapter folder, read back by peft."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hyperdnn.errors import ExportError, LayoutError, MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hyperdnn.export import Exported
    from hyperdnn.models import HyperDNN
    from hyperdnn.typing import Context


def write_adapter(
    model: "HyperDNN", baked: "nn.Module", folder: Path, inputs: "Tensor", context: "Context"
) -> "Exported":
    """Write one context's LoRA, load it with peft onto the network without LoRA, and compare with the baked network.

    Raises:
        ExportError: the target has no LoRA, with what to take instead, or peft computes something else.
        MissingExtraError: peft is not installed.
    """
    import torch

    from hyperdnn import export

    with _quiet():
        try:
            import peft
        except ImportError:
            raise MissingExtraError("peft", extra="peft") from None
    try:
        export.peft(model, folder, context=context)
    except LayoutError as error:
        raise ExportError(f"--to peft: {error} Here that is --to safetensors, torch-export or onnx.") from None
    with _quiet(), torch.no_grad():
        loaded = peft.PeftModel.from_pretrained(_without_lora(baked), str(folder)).eval()
        found = export.difference(loaded(inputs), baked(inputs))
    if not found.within:
        raise ExportError(f"{folder}: peft computes something else than the network: {found}.")
    files = [folder / "adapter_config.json", folder / "adapter_model.safetensors"]
    numbers = sum(tensor.numel() for name, tensor in loaded.named_parameters() if "lora_" in name)
    return export.Exported(folder, sum(file.stat().st_size for file in files), numbers, found, loaded)


def _without_lora(net: "nn.Module") -> "nn.Module":
    """A copy of the network as it was before anything was attached."""
    from hyperdnn.nn import LoRA

    net = copy.deepcopy(net)
    for name, layer in list(net.named_modules(remove_duplicate=False)):
        if isinstance(layer, LoRA):
            owner, _, leaf = name.rpartition(".")
            setattr(net.get_submodule(owner), leaf, layer.base)
    return net


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, peft and what it imports keep to themselves what they say of each other."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
