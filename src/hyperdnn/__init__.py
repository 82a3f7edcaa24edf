"""Hypernetworks for PyTorch: generate the weights of any unmodified module.

Names are loaded when they are touched, so ``import hyperdnn`` costs nothing and the command line answers without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from hyperdnn._version import __version__

if TYPE_CHECKING:
    from hyperdnn import (
        bodies,
        encoders,
        errors,
        export,
        heads,
        init,
        inspect,
        lab,
        layout,
        models,
        nn,
        optim,
        protocols,
        targets,
    )
    from hyperdnn.inspect import check_init, classify, summary
    from hyperdnn.layout import ParamLayout, ParamSpec
    from hyperdnn.models import Cached, HyperDNN, Hypernet, hypernet_vjp, unroll
    from hyperdnn.targets import Target
    from hyperdnn.typing import Weights

_HOMES = {
    "Cached": "models",
    "HyperDNN": "models",
    "Hypernet": "models",
    "ParamLayout": "layout",
    "ParamSpec": "layout",
    "Target": "targets",
    "Weights": "typing",
    "check_init": "inspect",
    "classify": "inspect",
    "hypernet_vjp": "models",
    "summary": "inspect",
    "unroll": "models",
}
__all__ = [
    "Cached",
    "HyperDNN",
    "Hypernet",
    "ParamLayout",
    "ParamSpec",
    "Target",
    "Weights",
    "__version__",
    "bodies",
    "check_init",
    "classify",
    "encoders",
    "errors",
    "export",
    "heads",
    "hypernet_vjp",
    "init",
    "inspect",
    "lab",
    "layout",
    "models",
    "nn",
    "optim",
    "protocols",
    "summary",
    "targets",
    "unroll",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"hyperdnn.{_HOMES[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"hyperdnn.{name}")
    raise AttributeError(f"module 'hyperdnn' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
