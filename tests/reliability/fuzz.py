"""Feeds what cannot be right to everything that reads input, and counts what becomes of it.

Each input is made from a valid one that is broken in a known way, so that taking it is an error as well as failing over
it. ``python tests/reliability/fuzz.py --inputs 10000 --write docs/reliability.md`` (or ``make reliability``) writes the
page.
"""

import argparse
import importlib
import json
import resource
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

from broken import adapters, checkpoints, commands, configs, contexts, saved, weights
from broken.attempt import Attempt, Broken, Outcome, outcome
from hypothesis import HealthCheck, Phase, given, seed, settings
from page import put

KINDS: dict[str, tuple[Broken, float]] = {
    "configuration files": (Broken(configs.whole, configs.attempts), 0.22),
    "command lines": (Broken(commands.whole, commands.attempts), 0.2),
    "contexts": (Broken(contexts.whole, contexts.attempts), 0.2),
    "weights and layouts": (Broken(weights.whole, weights.attempts), 0.13),
    "saved models": (Broken(saved.whole, saved.attempts), 0.13),
    "folders to save into": (Broken(adapters.whole, adapters.attempts), 0.02),
    "checkpoints": (Broken(checkpoints.whole, checkpoints.attempts), 0.1),
}
"""What reads input, how to make bad ones of it, and its share of all."""

ENDS = ("refused", "crashed", "hung", "accepted")
GIBIBYTES = 3  # of addresses, beyond what the imports took


def fuzz(kind: Broken, inputs: int, number: int) -> tuple[Counter[str], dict[str, Outcome]]:
    """Tries so many inputs, and keeps one example of each way to break that did not end well.

    Raises:
        Exception: what is not broken is not taken either.
    """
    counts: Counter[str] = Counter()
    faults: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as scratch:
        place, canary = Path(scratch) / "place", Path(scratch) / "canary"
        place.mkdir()

        for use in kind.whole(place):
            use()

        @seed(number)
        @settings(
            max_examples=inputs,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(kind.attempts(place))
        def tried(attempt: Attempt) -> None:
            found = outcome(attempt, canary)
            counts[found.end] += 1
            if found.end != "refused":
                faults.setdefault(attempt.broken, found)

        tried()
    return counts, faults


def _page(rows: dict[str, Counter[str]]) -> str:
    lines = ["| input | tried | " + " | ".join(ENDS) + " |", "|---|---|---|---|---|---|"]
    whole = sum(rows.values(), Counter())
    for name, counts in {**rows, "all": whole}.items():
        lines.append(f"| {name} | {counts.total():,} | " + " | ".join(f"{counts[end]:,}" for end in ENDS) + " |")
    return "\n".join(lines)


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + GIBIBYTES * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _command() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=10_000, help="over all kinds")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    # at once: command lines are tried in a folder of their own
    parser.add_argument("--write", type=lambda text: Path(text).resolve(), help="the page whose table is replaced")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in ("lightning_fabric", "hyperdnn.planning", "hyperdnn.lab._experiment"):
        importlib.import_module(name)  # it takes seconds, which are not an input's
    if sys.platform == "linux":
        _limit_memory()
    rows, failed = {}, False
    for kind in options.kinds.split(","):
        broken, share = KINDS[kind]
        rows[kind], faults = fuzz(broken, round(options.inputs * share), options.seed)
        print(json.dumps({"kind": kind, **{end: rows[kind][end] for end in ENDS}}), flush=True)
        for what, found in faults.items():
            failed = True
            print(f"{kind}: {what}: {found.end}: {found.said}", file=sys.stderr, flush=True)
    if options.write:
        put(options.write, "fuzz", _page(rows))
    sys.exit(failed)


if __name__ == "__main__":
    _command()
