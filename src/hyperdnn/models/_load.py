"""Read a model that was saved, trusting nothing in the files."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hyperdnn.errors import CheckpointError, ConfigError, LayoutError
from hyperdnn.layout import ParamLayout
from hyperdnn.models._hypernet import Hypernet
from hyperdnn.models._parts import build_combine, build_part
from hyperdnn.models._save import CONFIG, FORMAT, TENSORS
from hyperdnn.targets import Target

__all__ = ["load_parts", "read_tensors"]


def load_parts(folder: Path, module: nn.Module, mine: dict[str, nn.Module]) -> tuple[Target, nn.Module]:
    """Target and hypernet as configured, their tensors still to be filled.

    Raises:
        CheckpointError: if the configuration is missing, damaged or of another format.
        LayoutError: if the module is not the one that the model was saved for.
        ConfigError: if a part of the user's own is missing.
    """
    config = _read_config(folder)
    try:
        saved, hypernet = config["target"], config["hypernet"]
        layout = ParamLayout.from_json(config["layout"]["specs"])
        combine, names = build_combine(saved["combine"]), saved["select"]
        absent = [name for name in names if name not in ParamLayout.of(module)]
        if absent:
            raise LayoutError(
                f"{folder} was saved for another target ({saved['class']}): "
                f"'{absent[0]}' is not in {type(module).__name__}."
            )
        target = Target(module, names, combine=combine, buffers=saved["buffers"], train_base=saved["train_base"])
        difference = layout.difference(target.layout)
        if difference is not None:
            raise LayoutError(f"{folder} was saved for another target: in its layout {difference}.")
        return target, _hypernet(hypernet, layout, mine)
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder / CONFIG} is not a configuration of hyperdnn: {error!r}.") from error


def read_tensors(folder: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """The saved tensors, complete and of the expected shapes.

    Raises:
        CheckpointError: if the file is missing, damaged or foreign, naming the first tensor that does not fit.
    """
    path = folder / TENSORS
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing.") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or not a safetensors file: {error}.") from error
    shared = _read_config(folder).get("shared", {})
    for name, source in shared.items():
        if source not in tensors:
            raise CheckpointError(f"{path}: '{source}', shared with '{name}', is missing.")
        tensors[name] = tensors[source]
    for name in [*expected, *tensors]:
        if name not in tensors or name not in expected:
            state = "missing from the file" if name in expected else "not part of this model"
            raise CheckpointError(f"{path}: '{name}' is {state}. Was it saved by another model?")
        if tensors[name].shape != expected[name].shape:
            raise CheckpointError(
                f"{path}: '{name}' is {tuple(tensors[name].shape)}, expected {tuple(expected[name].shape)}."
            )
    return tensors


def _hypernet(saved: dict[str, Any], layout: ParamLayout, mine: dict[str, nn.Module]) -> nn.Module:
    wanted = {role for role, part in saved["parts"].items() if not part["own"]} if saved["own"] else {"hypernet"}
    surplus = set(mine) - wanted
    if surplus:
        role = min(surplus)
        raise ConfigError(f"{role}= was passed, but the saved {role} is hyperdnn's own and is built from the file.")
    if not saved["own"]:
        if "hypernet" not in mine:
            raise ConfigError(
                f"the saved hypernet is a {saved['class']} of your own: pass from_pretrained(..., hypernet=...)."
            )
        return mine["hypernet"]
    parts = {role: build_part(role, part, layout, mine) for role, part in saved["parts"].items()}
    return Hypernet(encoder=parts["encoder"], slots=parts.get("slots"), body=parts["body"], head=parts["head"])


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: {folder} holds no saved model.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else None
        raise CheckpointError(f"{path}: expected format {FORMAT}, found {found}. It needs another version of hyperdnn.")
    return config
