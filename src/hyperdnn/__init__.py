"""Hypernetworks for PyTorch: generate the weights of any unmodified module.

Names are loaded when they are touched, so ``import hyperdnn`` costs nothing and the command line answers without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from hyperdnn._version import __version__

if TYPE_CHECKING:
    from hyperdnn import (
        bodies,
        distributed,
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
        planning,
        protocols,
        targets,
    )
    from hyperdnn.inspect import check_init, classify, health, summary
    from hyperdnn.layout import Architecture, ParamLayout, ParamSpec
    from hyperdnn.models import (
        Cached,
        GraphHypernet,
        HyperDNN,
        Hypernet,
        Portioned,
        clip_gradient,
        hypernet_vjp,
        unroll,
    )
    from hyperdnn.planning import plan
    from hyperdnn.targets import Target
    from hyperdnn.typing import Weights

_HOMES = {
    "Architecture": "layout",
    "GraphHypernet": "models",
    "Cached": "models",
    "HyperDNN": "models",
    "Hypernet": "models",
    "ParamLayout": "layout",
    "ParamSpec": "layout",
    "Portioned": "models",
    "Target": "targets",
    "Weights": "typing",
    "check_init": "inspect",
    "classify": "inspect",
    "clip_gradient": "models",
    "health": "inspect",
    "hypernet_vjp": "models",
    "plan": "planning",
    "summary": "inspect",
    "unroll": "models",
}
__all__ = [
    "Architecture",
    "GraphHypernet",
    "Cached",
    "HyperDNN",
    "Hypernet",
    "ParamLayout",
    "ParamSpec",
    "Portioned",
    "Target",
    "Weights",
    "__version__",
    "bodies",
    "check_init",
    "classify",
    "clip_gradient",
    "distributed",
    "encoders",
    "errors",
    "export",
    "heads",
    "health",
    "hypernet_vjp",
    "init",
    "inspect",
    "lab",
    "layout",
    "models",
    "nn",
    "optim",
    "plan",
    "planning",
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
