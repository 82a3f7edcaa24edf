"""Hypernetworks for PyTorch: generate the weights of any unmodified module.

Names are loaded when they are touched, so ``import hyperdnn`` costs nothing and the command line answers without torch.
"""

import importlib
from typing import Any

from hyperdnn._version import __version__

_HOMES = {
    "HyperDNN": "models",
    "Hypernet": "models",
    "ParamLayout": "layout",
    "ParamSpec": "layout",
    "Target": "targets",
    "Weights": "typing",
    "check_init": "inspect",
    "hypernet_vjp": "models",
    "summary": "inspect",
}
_FOLDERS = (
    "bodies",
    "encoders",
    "errors",
    "heads",
    "init",
    "inspect",
    "lab",
    "layout",
    "models",
    "nn",
    "protocols",
    "targets",
)

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"hyperdnn.{_HOMES[name]}"), name)
    if name in _FOLDERS:
        return importlib.import_module(f"hyperdnn.{name}")
    raise AttributeError(f"module 'hyperdnn' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, *_FOLDERS]
