"""Trains the system of ``hyperdnn demo`` with many seeds, and says how far the results lie apart.

``python tests/reliability/seeds.py --seeds 20 --write docs/reliability.md`` (or ``make reliability``) writes the page.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from page import put

from hyperdnn import lab
from hyperdnn.lab._discover import configuration

RECIPE, SYSTEM = "continual/task_conditioned", "hypernet"
METRICS = {"final_accuracy": "accuracy at the end", "forgetting": "forgetting"}


def measure(seeds: Iterable[int], setting: str) -> tuple[dict[str, list[float]], int]:
    """Values of each metric, one for each seed, and how many trainings diverged."""
    values: dict[str, list[float]] = {name: [] for name in METRICS}
    diverged = 0
    for seed in seeds:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                results = lab.run(
                    RECIPE, configuration(RECIPE, setting), folder=Path(scratch), seeds=[seed], variants=[SYSTEM]
                )
            except lab.train.TrainingError:
                diverged += 1
                continue
        found = {name: results["metrics"][SYSTEM][name]["values"][0] for name in METRICS}
        print(json.dumps({"seed": seed, **found}), flush=True)
        diverged += not all(map(math.isfinite, found.values()))
        for name, value in found.items():
            values[name].append(value)
    return values, diverged


def _page(values: dict[str, list[float]], diverged: int, seeds: int) -> str:
    lines = ["| per cent | seeds | diverged | mean | spread | lowest | highest |", "|---|---|---|---|---|---|---|"]
    for name, label in METRICS.items():
        found = [100 * value for value in values[name]]
        summary = lab.report.summarise(found)
        numbers = (summary["mean"], summary["spread"] or 0.0, min(found), max(found))
        lines.append(f"| {label} | {seeds} | {diverged} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |")
    return "\n".join(lines)


def _command() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--setting", default="default", help="of the recipe; the default one is the demo's")
    parser.add_argument("--write", type=Path, help="the page whose table is replaced")
    options = parser.parse_args()
    values, diverged = measure(range(options.seeds), options.setting)
    if options.write:
        put(options.write, "seeds", _page(values, diverged, options.seeds))
    sys.exit(diverged > 0)


if __name__ == "__main__":
    _command()
