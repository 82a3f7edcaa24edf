"""The file in which all measurements meet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hyperdnn.lab import report

__all__ = ["RESULTS", "read", "update"]

RESULTS: Final = Path(__file__).with_name("results.json")


def read(path: Path = RESULTS) -> dict[str, Any]:
    """The measurements so far; empty before the first."""
    found: dict[str, Any] = report.read_json(path) if path.is_file() else {}
    return found


def update(path: Path, news: Mapping[str, Any]) -> None:
    """Write new measurements over the old ones of the same name, and keep the others.

    Args:
        path: the file.
        news: sections of it, complete or in part.
    """
    report.write_json(path, _merged(read(path), news))


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Two levels deep: sections, and what is measured one by one in them (workloads, curves)."""
    merged = dict(old)
    for section, content in new.items():
        before = merged.get(section, {})
        merged[section] = {**before, **content}
        for part in ("workloads", "curves"):
            if part in content:
                merged[section][part] = {**before.get(part, {}), **content[part]}
    return merged
