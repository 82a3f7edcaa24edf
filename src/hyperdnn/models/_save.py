"""Write a model as ``config.json`` and ``model.safetensors``."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from hyperdnn._replace import replace_file
from hyperdnn._version import __version__
from hyperdnn.errors import CheckpointError
from hyperdnn.models._hypernet import Hypernet
from hyperdnn.models._parts import describe_combine, describe_part
from hyperdnn.targets import Target

__all__ = ["CONFIG", "FORMAT", "TENSORS", "save"]

FORMAT = 1
CONFIG = "config.json"
TENSORS = "model.safetensors"


def save(model: nn.Module, target: Target, hypernet: nn.Module, folder: Path) -> None:
    """Write both files, each under a temporary name first, so that a folder never holds half of one.

    Raises:
        ConfigError: if the target's combine is the user's own.
        CheckpointError: if the folder is a file, or cannot be written into.
    """
    unique, shared = _without_shared(model.state_dict())
    config: dict[str, Any] = {
        "format": FORMAT,
        "versions": {"hyperdnn": __version__, "torch": torch.__version__},
        "target": {
            "class": type(target.module).__name__,
            "select": list(target.replaced.names),
            "combine": describe_combine(target.combine),
            "buffers": target.buffers_policy,
            "train_base": target.train_base,
        },
        "hypernet": _describe(hypernet),
        "layout": {"fingerprint": target.layout.fingerprint, "specs": target.layout.to_json()},
        "shared": shared,
        "frozen": [name for name, parameter in model.named_parameters() if not parameter.requires_grad],
    }
    text = json.dumps(config, indent=2) + "\n"  # before anything is written: it may fail
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / TENSORS, lambda path: save_file(unique, path, metadata={"format": "pt"}))
        replace_file(folder / CONFIG, lambda path: path.write_text(text, encoding="utf-8"))
    except (FileExistsError, NotADirectoryError) as error:
        raise CheckpointError(f"{folder} is a file, not a folder to save into.") from error
    except (OSError, SafetensorError, ValueError) as error:  # ValueError: a null byte in the path
        raise CheckpointError(f"{folder} cannot be saved into: {error}.") from error


def _describe(hypernet: nn.Module) -> dict[str, Any]:
    if not isinstance(hypernet, Hypernet):
        return {"class": type(hypernet).__name__, "own": False}
    roles = ("encoder", "slots", "body", "head")
    parts = {role: getattr(hypernet, role) for role in roles}
    described = {role: describe_part(role, part) for role, part in parts.items() if part is not None}
    return {"own": True, "parts": described, "stream": hypernet.stream}


def _without_shared(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors that several names share are written once: safetensors refuses to write them twice."""
    first: dict[tuple[object, ...], str] = {}
    unique: dict[str, Tensor] = {}
    shared: dict[str, str] = {}
    for name, tensor in state.items():
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and key in first:
            shared[name] = first[key]
        else:
            first[key] = name
            unique[name] = tensor.detach().clone().contiguous()  # also cuts views loose
    return unique, shared
