"""The weights of a checkpoint as one file."""

from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from hyperdnn._replace import replace_file
from hyperdnn.errors import CheckpointError
from hyperdnn.lab.train._checkpoint import read_checkpoint
from hyperdnn.lab.train._jointly import rank
from hyperdnn.lab.train._parted import Parts

__all__ = ["gather_weights"]


def gather_weights(checkpoint: Path, file: Path) -> None:
    """Write the weights of a checkpoint as one safetensors file, whatever number of processes wrote it.

    ``model.load_state_dict(safetensors.torch.load_file(file))`` reads it. It needs memory for the weights, once.
    Processes that work together call it together, and the first one writes.

    Args:
        checkpoint: such as ``checkpoints/seed-0/hypernet/final`` in the folder of a run.
        file: to write.

    Raises:
        CheckpointError: the checkpoint is damaged, or the file cannot be written.
    """
    value: Any = read_checkpoint(checkpoint).value().get("model")
    tensors = value if isinstance(value, dict) else {"model": value}
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor | Parts):
            raise CheckpointError(f"{checkpoint}: '{name}' is no tensor, and a file of weights holds nothing else.")
    if rank():
        return
    # Copies: parameters that are tied lie in the same memory, which the format does not know.
    whole = {name: t.whole() if isinstance(t, Parts) else t.clone() for name, t in tensors.items()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, partial(save_file, whole))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} cannot be written: {error}.") from error
