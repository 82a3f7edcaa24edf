"""Everything an experiment needs that is not science.

`Recipe`, `Reference`, `Claim` and `Variant` declare a published system; `run` trains it and measures its claims, `tune`
searches its settings, `trained` loads what a run left behind, and a `View` says what there is to look at in it
(`view_tasks`, `view_pictures`, `view_voices`). The folders: `config` (settings as frozen dataclasses, YAML, seeds),
`data` (data sets by name), `spaces` (of architectures), `language` (models to adapt), `train` (the loops), `federated`
(clients on Flower), `losses`, `effects` (of treatments), `metrics`, `baselines` (the plain networks that a system is
compared with), `report` (results, table, page) and `tuning`. Names are loaded when touched, so a recipe's declarations
cost no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperdnn.lab import (
        baselines,
        config,
        data,
        effects,
        federated,
        language,
        losses,
        metrics,
        report,
        spaces,
        train,
        tuning,
    )
    from hyperdnn.lab._experiment import run
    from hyperdnn.lab._recipe import Claim, Recipe, Reference, Variant
    from hyperdnn.lab._trained import Trained, trained
    from hyperdnn.lab._view import View
    from hyperdnn.lab._views import view_pictures, view_tasks, view_voices
    from hyperdnn.lab.config import seed_everything
    from hyperdnn.lab.tuning import tune

_HOMES = {
    "Recipe": "_recipe",
    "Reference": "_recipe",
    "Claim": "_recipe",
    "Variant": "_recipe",
    "run": "_experiment",
    "Trained": "_trained",
    "trained": "_trained",
    "View": "_view",
    "view_pictures": "_views",
    "view_tasks": "_views",
    "view_voices": "_views",
    "tune": "tuning",
    "seed_everything": "config",
}
_FOLDERS = (
    "config",
    "data",
    "spaces",
    "language",
    "train",
    "federated",
    "losses",
    "effects",
    "metrics",
    "baselines",
    "report",
    "tuning",
)

__all__ = [
    "Recipe",
    "Reference",
    "Claim",
    "Variant",
    "View",
    "Trained",
    "run",
    "trained",
    "view_pictures",
    "view_tasks",
    "view_voices",
    "tune",
    "seed_everything",
    "config",
    "data",
    "spaces",
    "language",
    "train",
    "federated",
    "losses",
    "effects",
    "metrics",
    "baselines",
    "report",
    "tuning",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in _FOLDERS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
