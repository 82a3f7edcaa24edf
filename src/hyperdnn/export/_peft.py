"""One context's LoRA as a folder that PEFT loads."""

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from statistics import mode
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from hyperdnn.errors import CheckpointError, ConfigError, ContextError
from hyperdnn.export._lora_layers import Adapter, adapters
from hyperdnn.models import HyperDNN
from hyperdnn.typing import Context

__all__ = ["peft"]

CONFIG = "adapter_config.json"
TENSORS = "adapter_model.safetensors"


def peft(model: HyperDNN, folder: str | Path, *, context: Context, task_type: str | None = None) -> None:
    """Write one context's LoRA as an adapter folder of Hugging Face's PEFT.

    ``peft.PeftModel.from_pretrained(base, folder)`` gives the network of that context, where ``base`` is the module as
    it was before `attach_lora`. LoRA that is kept instead of generated goes along. The folder has two files,
    ``adapter_config.json`` and ``adapter_model.safetensors``; they replace older ones, other files stay. Writing does
    not need peft.

    In evaluation torch's own transformer layers read weights instead of calling layers, and leave PEFT's adapters out;
    ``merge_and_unload()`` puts them in.

    Args:
        model: its target is a frozen network with `attach_lora`, and nothing but LoRA is generated or trained.
        folder: where to; made if it does not exist.
        context: a single one.
        task_type: what PEFT calls the network's task (``"CAUSAL_LM"``, ``"SEQ_CLS"``), for its task-specific classes.

    Raises:
        ContextError: for several contexts.
        LayoutError: if the network is more than its base and LoRA, naming the first parameter that is not LoRA, or if
            PEFT has no form of a layer's LoRA. `HyperDNN.bake` makes a plain module of such a network.
        CheckpointError: if the folder is a file, or cannot be written into.
        ConfigError: for a task type that is no text.

    Source:
        Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022; the format is that of peft 0.21.
    """
    if not (task_type is None or isinstance(task_type, str)):
        raise ConfigError(f"task_type={task_type!r}: expected text, such as 'CAUSAL_LM', or None.")
    with torch.no_grad():
        weights = model.generate(context)
        contexts = model.target.layout.check(weights)
        if contexts:
            raise ContextError(
                f"an adapter folder is of one context, got {tuple(contexts)} contexts: export one at a time."
            )
        layers = adapters(model.target, model.target.effective(weights))
    config = _config(model.target.module, layers, task_type)
    tensors = {
        f"base_model.model.{name}.{key}": tensor.clone(memory_format=torch.contiguous_format).cpu()
        for name, layer in layers.items()
        for key, tensor in layer.tensors.items()
    }
    _write(Path(folder), {TENSORS: save(tensors, {"format": "pt"}), CONFIG: json.dumps(config, indent=2).encode()})


def _config(net: nn.Module, layers: Mapping[str, Adapter], task_type: str | None) -> dict[str, Any]:
    """What PEFT asks for, and what it would otherwise fill in by its own defaults."""
    rank = mode(layer.rank for layer in layers.values())
    alpha = mode(layer.alpha for layer in layers.values())
    return {
        "peft_type": "LORA",
        "task_type": task_type,
        "base_model_name_or_path": getattr(net, "name_or_path", None) or None,
        "target_modules": _exactly(layers, net),
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": {_pattern(name): layer.rank for name, layer in layers.items() if layer.rank != rank},
        "alpha_pattern": {_pattern(name): layer.alpha for name, layer in layers.items() if layer.alpha != alpha},
        "fan_in_fan_out": any(layer.transposed for layer in layers.values()),
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
    }


def _exactly(layers: Mapping[str, Adapter], net: nn.Module) -> list[str] | str:
    """The layers' full names; or a pattern, where PEFT would take a full name for the ending of another layer's."""
    others = [name for name, _ in net.named_modules() if name not in layers]
    if any(other.endswith(f".{name}") for name in layers for other in others):
        return "|".join(map(re.escape, layers))
    return list(layers)


def _pattern(name: str) -> str:
    return f"^{re.escape(name)}"  # PEFT puts "any path before it" in front and the end behind


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files under temporary names first: a folder never holds half of them."""
    temporary = {name: folder / f".{name}.{os.getpid()}" for name in files}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            temporary[name].write_bytes(content)
        for name, path in temporary.items():
            os.replace(path, folder / name)
    except (FileExistsError, NotADirectoryError) as error:
        raise CheckpointError(f"{folder} is a file, not a folder to export into.") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise CheckpointError(f"{folder} cannot be exported into: {error}.") from error
    finally:
        for path in temporary.values():
            with suppress(OSError, ValueError):
                path.unlink(missing_ok=True)
