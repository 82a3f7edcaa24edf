"""Kills training runs at random moments, resumes them, and compares what comes of them with runs that were let be.

``python tests/reliability/kill.py --kills 100 --write docs/reliability.md`` (or ``make reliability``) writes the page.
"""

import argparse
import hashlib
import importlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hyperdnn.cli import main

HERE = Path(__file__).parent
TINY = ["continual/task_conditioned", "--setting", "tiny", "--train.checkpoint_every", "7", "--variants"]
SUBJECTS = {
    "fit": [str(HERE / "noisy.py")],
    "sequence": [*TINY, "hypernet"],
    "joint": [*TINY, "multitask"],
    "rounds": [str(HERE / "clients.py")],
}


def start(arguments: list[str], log: Path, *, fresh: bool) -> int:
    """Starts the command line in a process of its own: a fork of this one, or a fresh interpreter."""
    if fresh:
        with log.open("ab") as file:
            return subprocess.Popen([sys.executable, "-m", "hyperdnn", *arguments], stdout=file, stderr=file).pid
    process = os.fork()
    if process:
        return process
    code = 3
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        code = main(arguments)
    finally:
        os._exit(code)


def writing(out: Path) -> bool:
    """Whether a checkpoint is being written now."""
    return any(out.glob("*/*/checkpoints/*/*/.*.new")) or any(out.glob("*/*/*/checkpoints/*/*/.*.new"))


def end(process: int, out: Path, *, after: float, in_writing: bool) -> int:
    """Waits for the moment, kills, and returns the exit code, -9 for a process that was killed."""
    deadline = time.monotonic() + after
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline and (not in_writing or writing(out)):
            break
        if not in_writing:
            time.sleep(0.0005)
    if in_writing:
        time.sleep(random.uniform(0, 0.004))  # not always at its first file
    os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def finished(out: Path) -> Path | None:
    """The folder of the run that came to its end."""
    return next((path.parent for path in out.rglob("results.json")), None)


def came_of(folder: Path) -> dict[str, str]:
    """Everything that a run leaves behind and that time does not change: final weights, metrics, results."""
    results = json.loads((folder / "results.json").read_text())
    found = {key: json.dumps(results[key]) for key in ("config", "seeds", "metrics", "arrays", "claims")}
    found["lines"] = (folder / "metrics.jsonl").read_text()
    for path in sorted(folder.rglob("final/state.safetensors")):
        found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    lines = found["lines"].splitlines()
    assert len(set(lines)) == len(lines), "a line of metrics came twice"
    return found


def compare(folder: Path, expected: dict[str, str]) -> None:
    """Fails for a run that came to something else."""
    found = came_of(folder)
    different = [key for key in {**expected, **found} if found.get(key) != expected.get(key)]
    assert not different, f"{folder}: {', '.join(different)} differ"


def survive(subject: str, kills: int, scratch: Path, *, fresh: bool) -> Counter[str]:
    """Lets one run be; kills others until there were enough kills; and compares.

    Raises:
        AssertionError: a run that failed, or that came to something else.
    """
    command, log = ["run", *SUBJECTS[subject], "--quiet", "--out"], scratch / "log"
    began = time.monotonic()
    code = end(start([*command, str(scratch / "whole")], log, fresh=fresh), scratch, after=600, in_writing=False)
    seconds = time.monotonic() - began
    whole = finished(scratch / "whole")
    assert code == 0, log.read_text()
    assert whole is not None
    expected = came_of(whole)
    counts, run = Counter({"resumed": 0}), 0
    while counts["killed"] < kills or finished(scratch / str(run)) is None:
        out = scratch / str(run)
        folder = finished(out)
        if folder is not None:
            compare(folder, expected)
            counts["compared"] += 1
            shutil.rmtree(out)
            run += 1
            continue
        enough = counts["killed"] >= kills
        in_writing = random.random() < 0.5
        after = 600.0 if enough else random.uniform(0, seconds) * (0.5 if in_writing else 1.0)
        before = len(list(out.rglob("manifest.json")))
        process = start([*command, str(out), "--resume", "auto"], log, fresh=fresh)
        code = end(process, out, after=after, in_writing=in_writing and not enough)
        assert code in {0, -signal.SIGKILL}, log.read_text()
        counts["resumed"] += before > 0
        if code:
            counts["killed"] += 1
            counts["while writing"] += writing(out)
    folder = finished(scratch / str(run))
    assert folder is not None
    compare(folder, expected)
    counts["compared"] += 1
    return counts


def _page(rows: dict[str, Counter[str]]) -> str:
    lines = [
        "| loop | processes killed | of these while writing | went on from a checkpoint | runs compared | different |",
        "|---|---|---|---|---|---|",
    ]
    for name, counts in rows.items():
        numbers = [counts[key] for key in ("killed", "while writing", "resumed", "compared")]
        lines.append(f"| `{name}` | " + " | ".join(map(str, numbers)) + " | 0 |")
    return "\n".join(lines)


def _command() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100, help="over all subjects")
    parser.add_argument("--subjects", default=",".join(SUBJECTS))
    parser.add_argument("--fresh", action="store_true", help="a fresh interpreter each time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="the page whose table is replaced")
    options = parser.parse_args()
    random.seed(options.seed)
    subjects = options.subjects.split(",")
    rows = {}
    for index, subject in enumerate(subjects):
        kills = options.kills // len(subjects) + (index < options.kills % len(subjects))
        with tempfile.TemporaryDirectory() as scratch:
            rows[subject] = survive(subject, kills, Path(scratch), fresh=options.fresh)
        print(json.dumps({"loop": subject, **rows[subject]}), flush=True)
    if options.write:
        text = options.write.read_text()
        table = f"<!-- kills -->\n{_page(rows)}\n<!-- end -->"
        options.write.write_text(re.sub(r"<!-- kills -->.*?<!-- end -->", table, text, flags=re.DOTALL))


if __name__ == "__main__":
    for name in ("lightning_fabric", "sklearn.datasets", "jinja2", "matplotlib.pyplot", "hyperdnn.lab._experiment"):
        importlib.import_module(name)  # before the first fork, since it takes seconds
    _command()
