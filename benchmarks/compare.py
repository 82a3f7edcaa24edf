"""Runs the comparison of hypernet libraries and writes it into ``results.json``.

The runner, with its workloads and the adapters of the other libraries, is no part of this project: `$HYPERDNN_BENCH`
names its folder. Everything runs with one thread and is timed by the CPU time of its process, so that a busy machine
disturbs little.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import peers
from benchmarks.estimates import judge, median_interval, ratios
from benchmarks.machine import machine
from benchmarks.plan import BEST_PEER, WORKLOADS, Limit, Workload, kind_of
from benchmarks.results import RESULTS, update
from hyperdnn.errors import ConfigError

__all__ = ["compare", "find_runner", "summary_of"]

_LIMIT_S: Final = 900


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, default=peers.FOLDER, help="environment of the other libraries")
    parser.add_argument("--only", help="workloads, with commas between; the others keep their results")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    names = options.only.split(",") if options.only else None
    compare(options.results, environment=options.peers, only=names)


def compare(results: Path = RESULTS, *, environment: Path = peers.FOLDER, only: Sequence[str] | None = None) -> None:
    """Measure all workloads, or some, and write each as soon as it is known.

    Args:
        results: the file.
        environment: of the other libraries; made if it is not there.
        only: names of workloads.

    Raises:
        ConfigError: without the runner or the environment, or for a workload that does not exist.
    """
    runner = find_runner()
    known = [workload.name for workload in WORKLOADS]
    if unknown := sorted(set(only or ()) - set(known)):
        raise ConfigError(f"no workload {', '.join(unknown)}. There are {', '.join(known)}.")
    python = peers.ensure() if environment == peers.FOLDER else peers.python_of(environment.absolute())
    if not python.exists():
        raise ConfigError(f"{environment} has no Python. Leave --peers out, and an environment is made.")
    for workload in WORKLOADS:
        if only is None or workload.name in only:
            print(f"{workload.name}: {workload.title}", file=sys.stderr, flush=True)
            measured = _Runner(python, runner).measure(workload)
            update(results, {"comparison": {"machine": machine(), "workloads": {workload.name: measured}}})


def find_runner() -> Path:
    """The folder of the comparison's runner.

    Raises:
        ConfigError: if it is not there.
    """
    folder = Path(os.environ.get("HYPERDNN_BENCH", peers.ROOT.parent / "shared" / "bench")).resolve()
    if not (folder / "common.py").is_file() or not (folder / "bench.py").is_file():
        raise ConfigError(
            f"the comparison's runner is not in {folder}. Set HYPERDNN_BENCH to the folder that holds bench.py and "
            "common.py; `python -m benchmarks.scaling` measures hyperdnn alone, without it."
        )
    return folder


class _Runner:
    """Processes in the peers' environment."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.python = python
        self.folder = folder

    def measure(self, workload: Workload) -> dict[str, Any]:
        """Everything about one workload."""
        if workload.alone:
            raw = self._alone(workload)
        else:
            raw = self._python(
                "-m", "benchmarks.worker", workload.name, ",".join(workload.lineup), "--rounds", str(workload.rounds)
            )
        if workload.memory:
            for name, entry in raw["lineup"].items():
                if entry.get("samples_ms"):
                    entry["peak_mb"] = self._peak(workload.name, name)
        return summary_of(workload, raw)

    def _alone(self, workload: Workload) -> dict[str, Any]:
        raw: dict[str, Any] = {"lineup": {}, "versions": {}}
        for name in workload.lineup:
            entry: dict[str, Any] = {"samples_ms": []}
            for _ in range(workload.rounds):
                one = self._bench(workload.name, name, "--first-only")
                result = one["results"][name]
                raw.update(hardware=one["hw"], floor=one["floor"])
                if reason := result.get("unsupported") or result.get("error"):
                    entry = {"absent": reason}
                    break
                entry["samples_ms"].append(1e3 * result["first_step_clock_s"])
                entry |= {"note": result.get("note", ""), "loss": result["loss"], "gradient_norm": result["gnorm"]}
                entry |= {"weights_mb": one["target_mb"]}
            raw["lineup"][name] = entry
        first = raw["lineup"][workload.baseline]
        for entry in raw["lineup"].values():
            if "loss" in entry and "loss" in first:
                entry["equal"] = all(
                    abs(entry[key] - first[key]) <= 2e-3 * abs(first[key]) for key in ("loss", "gradient_norm")
                )
        return raw

    def _peak(self, workload: str, name: str) -> float:
        """MiB that the first step adds; later steps find the memory that it left behind.

        Memory that was freed while the model was built goes back to the system at once: kept by the allocator, it would
        serve the step unseen.
        """
        size = "65536"
        one = self._bench(workload, name, "--first-only", MALLOC_MMAP_THRESHOLD_=size, MALLOC_TRIM_THRESHOLD_=size)
        peak: float = one["results"][name]["first_step_peak_mb"]
        return peak

    def _bench(self, workload: str, name: str, mode: str, **settings: str) -> dict[str, Any]:
        script = str(self.folder / "bench.py")
        return self._python(script, "--workload", workload, "--lib", name, "--baseline", name, mode, **settings)

    def _python(self, *arguments: str, **settings: str) -> dict[str, Any]:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(peers.ROOT / "src"), str(self.folder))),
            "PYTHONDONTWRITEBYTECODE": "1",  # the runner's folder stays as it is
            "ADAPTERS": str(peers.ROOT / "benchmarks" / "adapters"),
            "OMP_NUM_THREADS": "1",
            **settings,
        }
        answer = subprocess.run(
            [str(self.python), "-W", "ignore", *arguments],
            cwd=peers.ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT_S,
        )
        lines = answer.stdout.strip().splitlines()
        if answer.returncode or not lines:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{answer.stderr[-2000:]}")
        result: dict[str, Any] = json.loads(lines[-1])  # some libraries greet before
        return result


def summary_of(workload: Workload, raw: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of one workload: medians, ratios with intervals, verdicts.

    Args:
        workload: what was measured.
        raw: as a worker prints it.
    """
    lineup = {}
    samples = {name: entry["samples_ms"] for name, entry in raw["lineup"].items() if entry.get("samples_ms")}
    for name, entry in raw["lineup"].items():
        lineup[name] = {"kind": kind_of(name), **entry}
        if name in samples:
            lineup[name]["median_ms"] = statistics.median(samples[name])
            lineup[name]["ratio"] = _ratio(samples, name, workload.baseline)
    return {
        "title": workload.title,
        "baseline": workload.baseline,
        "rounds": workload.rounds,
        "floor": raw["floor"],
        "hardware": raw["hardware"],
        "versions": raw["versions"],
        "lineup": lineup,
        "limits": [_held(limit, lineup, samples) for limit in workload.limits],
    }


def _ratio(samples: Mapping[str, Sequence[float]], name: str, against: str) -> dict[str, Any] | None:
    if name not in samples or against not in samples:
        return None
    values = ratios(samples[name], samples[against])
    return {"median": statistics.median(values), "interval": median_interval(values)}


def _held(limit: Limit, lineup: Mapping[str, Any], samples: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """A limit with what was measured of it."""
    entry, against, found = lineup.get(limit.lineup, {}), limit.against, None
    match limit.quantity:
        case "ratio":
            if against == BEST_PEER:
                rivals = {name: statistics.median(s) for name, s in samples.items() if kind_of(name) == "peer"}
                against = min(rivals, key=rivals.__getitem__, default=BEST_PEER)
            found = _ratio(samples, limit.lineup, against)
        case "memory" if "peak_mb" in entry:
            found = {"median": entry["peak_mb"] / entry["weights_mb"], "interval": None}
        case "milliseconds" | "import" if limit.lineup in samples:
            scale = 1.0 if limit.quantity == "milliseconds" else 1e-3
            values = [scale * value for value in samples[limit.lineup]]
            found = {"median": statistics.median(values), "interval": median_interval(values)}
    measured, interval = (found["median"], found["interval"]) if found else (None, None)
    return {
        "lineup": limit.lineup,
        "quantity": limit.quantity,
        "against": against if limit.quantity == "ratio" else None,
        "best_peer": limit.against == BEST_PEER,
        "at_most": limit.at_most,
        "measured": measured,
        "interval": interval,
        "verdict": judge(measured, interval, limit.at_most),
    }


if __name__ == "__main__":
    main()
