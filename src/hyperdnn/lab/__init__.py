"""Everything an experiment needs that is not science.

`Recipe`, `Reference`, `Claim` and `Variant` declare a published system; `run` trains it and measures its
claims. The folders: `config` (settings as frozen dataclasses, YAML, seeds), `data` (data sets by name),
`train` (the loops), `losses`, `effects` (of treatments), `metrics`, `baselines` (the plain networks that a system is
compared with) and `report` (results, table, page). Names are loaded when touched, so a recipe's declarations cost no
torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperdnn.lab import baselines, config, data, effects, losses, metrics, report, train
    from hyperdnn.lab._experiment import run
    from hyperdnn.lab._recipe import Claim, Recipe, Reference, Variant
    from hyperdnn.lab.config import seed_everything

_HOMES = {
    "Recipe": "_recipe",
    "Reference": "_recipe",
    "Claim": "_recipe",
    "Variant": "_recipe",
    "run": "_experiment",
    "seed_everything": "config",
}
_FOLDERS = ("config", "data", "train", "losses", "effects", "metrics", "baselines", "report")

__all__ = [
    "Recipe",
    "Reference",
    "Claim",
    "Variant",
    "run",
    "seed_everything",
    "config",
    "data",
    "train",
    "losses",
    "effects",
    "metrics",
    "baselines",
    "report",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in _FOLDERS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
