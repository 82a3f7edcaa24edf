"""Flower's Message API, imported when it is needed."""

import importlib
import os
from typing import Any

from hyperdnn.errors import MissingExtraError

__all__ = ["flower"]


def flower(module: str = "app") -> Any:
    """A module of Flower, such as its ``app``; nothing is reported to its makers unless the environment says so.

    Raises:
        MissingExtraError: it is not installed.
    """
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # how Ray will behave; otherwise it warns
    try:
        return importlib.import_module(f"flwr.{module}")
    except ImportError:
        raise MissingExtraError("flwr", extra="fed") from None
