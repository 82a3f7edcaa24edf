"""Time and memory of a training step over the size of the target, the number of contexts and the size of a chunk.

Each point is measured in a process of its own (see `point`). A power law is fitted where it can hold: from ten million
generated numbers on. Smaller steps are cheaper for each number, because their buffers stay in caches and in memory that
the allocator keeps; larger ones get fresh pages from the system in each step.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, final

from benchmarks.estimates import fit
from benchmarks.machine import machine
from benchmarks.peers import ROOT
from benchmarks.results import RESULTS, update

__all__ = ["AT_MOST", "CURVES", "FIT_FROM", "SMOKE", "Curve", "curve_of", "scale", "smoke"]

AT_MOST: Final = 1.05
FIT_FROM: Final = 10_000_000
_FEWEST: Final = 3  # points of a fit
_LIMIT_S: Final = 300


@final
@dataclass(frozen=True, kw_only=True)
class Curve:
    """One size that grows while the others stay.

    Args:
        axis: ``size``, ``contexts`` or ``chunk``.
        values: of it.
        fixed: the others.
        linear: whether time and memory should grow with it, and no faster.
    """

    axis: str
    values: Sequence[int]
    fixed: Mapping[str, int]
    linear: bool = True

    def points(self) -> Iterator[dict[str, int]]:
        """The sizes of each point."""
        for value in self.values:
            yield {**self.fixed, self.axis: value}


_SIZES: Final = (10**4, 10**5, 10**6, *(round(10 ** (7 + k / 6)) for k in range(7)))
_CONTEXTS: Final = (1, 4, 16, 64, *(round(4 ** (4 + k / 3)) for k in range(7)))
CURVES: Final = (
    Curve(axis="size", values=_SIZES, fixed={"contexts": 1, "chunk": 8192}),
    Curve(axis="contexts", values=_CONTEXTS, fixed={"size": 40_000}),
    Curve(
        axis="chunk",
        values=(1024, 4096, 16_384, 65_536, 262_144, 1_048_576),
        fixed={"size": 4_000_000, "contexts": 1},
        linear=False,
    ),
)
SMOKE: Final = (
    Curve(axis="size", values=(1_000, 4_000, 16_000), fixed={"contexts": 1, "chunk": 512}),
    Curve(axis="contexts", values=(1, 4, 16), fixed={"size": 1_000}),
    Curve(axis="chunk", values=(64, 256), fixed={"size": 1_000, "contexts": 1}, linear=False),
)
"""As `CURVES`, in a second: shows that everything works, and measures nothing."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="on a CPU")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    scale(options.results, device=options.device, threads=options.threads)


def scale(results: Path = RESULTS, *, device: str = "cpu", threads: Sequence[int] = (1, 2)) -> None:
    """Measure all curves, and write each as soon as it is known.

    Args:
        results: the file.
        device: ``cpu``, or ``cuda``, which knows no threads.
        threads: how many, in turn. With more than one the time is the clock's: wrong where other work runs.
    """
    section = "scaling" if device == "cpu" else f"scaling_{device}"
    for count in threads if device == "cpu" else (1,):
        where = {"threads": count, "device": device}
        limits = _process({**where, "probe": True})
        for curve in CURVES:
            print(f"{section}: {curve.axis}, threads {count}", file=sys.stderr, flush=True)
            found = curve_of(curve, partial(_process_at, where), limits)
            update(results, {section: {"machine": machine(device=device), "curves": {f"{curve.axis}_{count}": found}}})


def smoke(results: Path) -> None:
    """The same at tiny sizes, with one thread, in this process; peaks of memory are then those of all points so far."""
    import torch

    from benchmarks import point

    torch.set_num_threads(1)
    device = torch.device("cpu")
    limits = point.probe(device)
    for curve in SMOKE:
        found = curve_of(curve, partial(_measure_here, device), limits)
        update(results, {"scaling": {"machine": machine(), "curves": {f"{curve.axis}_1": found}}})


def _measure_here(device: Any, sizes: Mapping[str, int]) -> dict[str, Any]:
    from benchmarks import point

    return point.measure(sizes["size"], sizes.get("contexts", 1), sizes.get("chunk"), device=device, seconds=0.03)


def curve_of(
    curve: Curve, measure: Callable[[dict[str, int]], Mapping[str, Any]], limits: Mapping[str, float]
) -> dict[str, Any]:
    """Measure a curve and fit its exponents.

    Args:
        curve: what grows.
        measure: sizes of a point -> what `point` measures.
        limits: of the device: products of matrices, copies.
    """
    points = [_with_limits(measure(sizes), limits) for sizes in curve.points()]
    kept = [point for point in points if point["weights"] * point["contexts"] >= FIT_FROM]
    fits = {}
    for quantity in ("time_ms", "peak_mb"):
        known = [(point[_AXES[curve.axis]], point[quantity]) for point in kept if point[quantity]]
        enough = curve.linear and len(known) >= _FEWEST
        fits[quantity] = fit(*zip(*known, strict=True))._asdict() if enough else None
    return {
        "axis": curve.axis,
        "fixed": dict(curve.fixed),
        "linear": curve.linear,
        "limits": dict(limits),
        "points": points,
        "fits": fits,
    }


_AXES: Final = {"size": "weights", "contexts": "contexts", "chunk": "chunk"}
"""What of a point lies on the axis: a target of about the size asked for has exactly so many weights."""


def _with_limits(point: Mapping[str, Any], limits: Mapping[str, float]) -> dict[str, Any]:
    """The time that counts, and how much of the device's limits it reaches.

    With one thread the CPU's time counts, which a busy machine does not lengthen.
    """
    time_ms = point["cpu_ms"] if point["threads"] == 1 and point["device"] == "cpu" else point["wall_ms"]
    return {
        **point,
        "time_ms": time_ms,
        "of_matrix_limit": point["gflop"] / (time_ms / 1e3) / limits["gflops"],
        "of_memory_limit": point["mbytes"] / time_ms / limits["gbs"],
    }


def _process_at(where: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
    return _process({**where, **sizes})


def _process(options: Mapping[str, Any]) -> dict[str, Any]:
    arguments = [
        text
        for name, value in options.items()
        for text in ([f"--{name}"] if value is True else [f"--{name}", str(value)])
    ]
    threads = str(options["threads"])
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.point", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": threads},
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )
    if answer.returncode:
        raise RuntimeError(f"point {dict(options)} failed:\n{answer.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


if __name__ == "__main__":
    main()
