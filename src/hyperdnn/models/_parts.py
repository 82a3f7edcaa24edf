"""hyperdnn's own parts as plain values and back: what a saved configuration may name."""

import inspect
from types import ModuleType
from typing import Any

from torch import nn

from hyperdnn import bodies, encoders, heads, targets
from hyperdnn.errors import CheckpointError, ConfigError
from hyperdnn.layout import ParamLayout
from hyperdnn.protocols import Combine

__all__ = ["FOLDERS", "build_combine", "build_part", "describe_combine", "describe_part"]

FOLDERS: dict[str, ModuleType] = {"encoder": encoders, "slots": encoders, "body": bodies, "head": heads}
"""Where the class of each role is looked up: an allow-list, for no import path is ever read from a file."""

# The layout is saved once; a generator has a state, not a value; the rest is in the tensors.
_NOT_SAVED = ("layout", "init", "device", "dtype", "generator")


def describe_part(role: str, part: nn.Module) -> dict[str, Any]:
    """A part's class and constructor values, read from attributes of the same names.

    A part of the user's own is only named, so that loading can ask for it.
    """
    name = type(part).__name__
    if getattr(FOLDERS[role], name, None) is not type(part) or any(isinstance(v, nn.Module) for v in _values(part)):
        return {"class": name, "own": False}
    return {"class": name, "own": True, "arguments": _arguments(part)}


def build_part(role: str, saved: dict[str, Any], layout: ParamLayout, mine: dict[str, nn.Module]) -> nn.Module:
    """The part that was described, or the user's own.

    Raises:
        ConfigError: if it must be passed and was not.
        CheckpointError: if the file names something that is not a part.
    """
    if not saved["own"]:
        if role not in mine:
            raise ConfigError(
                f"the saved {role} is a {saved['class']} of your own: pass from_pretrained(..., {role}=...)."
            )
        return mine[role]
    folder = FOLDERS[role]
    if saved["class"] not in folder.__all__:
        raise CheckpointError(f"config.json names a {role} '{saved['class']}', which hyperdnn does not have.")
    cls = getattr(folder, saved["class"])
    parameters = inspect.signature(cls).parameters
    unknown = set(saved["arguments"]) - set(parameters)
    if unknown:
        raise CheckpointError(f"config.json gives {saved['class']} an argument '{min(unknown)}' that it does not have.")
    arguments = dict(saved["arguments"])
    if "layout" in parameters:
        arguments["layout"] = layout
    extra = [arguments.pop(p.name) for p in parameters.values() if p.kind is p.VAR_POSITIONAL]
    leading = [arguments.pop(p.name) for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD] if extra else []
    part: nn.Module = cls(*leading, *(extra[0] if extra else ()), **arguments)
    return part


def describe_combine(combine: Combine) -> dict[str, Any]:
    """A combine's class and fields.

    Raises:
        ConfigError: for one of the user's own, which a file cannot name.
    """
    name = type(combine).__name__
    if getattr(targets, name, None) is not type(combine):
        raise ConfigError(f"combine {name} is not one of hyperdnn's and cannot be saved; save the state_dict instead.")
    return {"class": name, "arguments": _arguments(combine)}


def build_combine(saved: dict[str, Any]) -> Combine:
    """The combine that was described.

    Raises:
        CheckpointError: if the file names something that is not a combine.
    """
    cls = getattr(targets, saved["class"], None) if saved["class"] in targets.__all__ else None
    if not isinstance(cls, type) or not hasattr(cls, "specs"):
        raise CheckpointError(f"config.json names a combine '{saved['class']}', which hyperdnn does not have.")
    combine: Combine = cls(**saved["arguments"])
    return combine


def _arguments(part: object) -> dict[str, Any]:
    names = [name for name in inspect.signature(type(part)).parameters if name not in _NOT_SAVED]
    return {name: _plain(part, name) for name in names}


def _plain(part: object, name: str) -> Any:
    if name == "signs":  # heads keep the module, or None, where their constructor takes a switch
        return getattr(part, name) is not None
    value = getattr(part, name)
    return list(value) if isinstance(value, tuple) else value


def _values(part: nn.Module) -> list[object]:
    names = inspect.signature(type(part)).parameters
    return [getattr(part, name, None) for name in names if name != "signs"]
