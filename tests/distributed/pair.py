"""Runs the checks of one file in two processes that work together."""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 2
FOLDER = Path(sys.argv[2]) if len(sys.argv) == 3 else Path()  # of both, where they write
_SECONDS = 300  # on a machine that has much else to do, seconds become minutes


def run_checks(file: Path, folder: Path) -> dict[str, str]:
    """Start two processes that run the functions ``check_*`` of a file in their order: by name, what went wrong."""
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", str(file), str(rank), str(folder)],
            env={**os.environ, **_environment(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(PROCESSES)
    ]
    try:
        said = "\n".join(process.communicate(timeout=_SECONDS)[0] for process in started)
    finally:
        for process in started:
            process.kill()  # one that hangs would outlive the tests
    paths = [folder / f"{rank}.json" for rank in range(PROCESSES)]
    reports = [json.loads(path.read_text()) if path.is_file() else {} for path in paths]
    return {name: "\n".join(report.get(name, said) for report in reports).strip() for name in names_of(file)}


def _environment(rank: int) -> dict[str, str]:
    """As torchrun has it."""
    number, here = str(PROCESSES), str(rank)
    return {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT / "src"),
        "TORCHELASTIC_RUN_ID": "tests",
        "GROUP_RANK": "0",
        **dict.fromkeys(("RANK", "LOCAL_RANK"), here),
        **dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), number),
    }


def names_of(file: Path) -> list[str]:
    """The checks in a file, without running it."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.split("(")[0].removeprefix("def ") for line in lines if line.startswith("def check_")]


def main(checks: dict[str, Callable[[int], None]]) -> None:
    """What each of the processes does."""
    import torch
    from torch import distributed

    rank, folder = int(sys.argv[1]), FOLDER
    torch.set_default_dtype(torch.float64)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=PROCESSES,
        timeout=timedelta(seconds=120),
    )
    names = [name for name in checks if name.startswith("check_")]
    report = dict.fromkeys(names, f"rank {rank}: not run, an earlier check failed")
    for name in names:
        try:
            checks[name](rank)
        except Exception:
            report[name] = f"rank {rank}: {traceback.format_exc()}"
            break  # the other process is elsewhere now
        report[name] = ""
    (folder / f"{rank}.json").write_text(json.dumps(report))
    distributed.destroy_process_group()
