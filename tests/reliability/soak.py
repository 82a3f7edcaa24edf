"""Trains and uses models for thousands of steps that are never twice the same, and watches the process's memory.

``python tests/reliability/soak.py --steps 10000 --write docs/reliability.md`` (or ``make reliability``) writes the
page.
"""

import argparse
import ctypes
import gc
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median

import torch
from page import put
from torch import nn

import hyperdnn as hd

EVERY = 250  # steps between two looks at the memory
WARM = 0.2  # the share of the steps after which memory is to be flat
CONTEXTS, INPUTS = 50, 24


def net(width: int) -> nn.Module:
    """What is generated; from about 500 hidden units on, its weights are in memory that heads use again."""
    return nn.Sequential(nn.Linear(INPUTS, width), nn.ReLU(), nn.Linear(width, 5))


def training(width: int) -> Callable[[], None]:
    """A step of training with contexts, batch sizes and verbs drawn anew."""
    model = hd.HyperDNN.for_tasks(net(width), num_tasks=CONTEXTS, hidden=8)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        _call(model).square().mean().backward()
        optimizer.step()

    return step


def remembering(width: int) -> Callable[[], None]:
    """A use of `Cached`, which has room for a third of the contexts; now and then the hypernet changes."""
    model = hd.HyperDNN.for_tasks(net(width), num_tasks=CONTEXTS, hidden=8)
    cached = hd.Cached(model, max_contexts=CONTEXTS // 3)

    def step() -> None:
        with torch.no_grad():
            _call(cached)
            if torch.rand(()) < 0.01:
                model.hypernet.body.layers[0].weight.mul_(0.999)

    return step


def _call(model: Callable[..., torch.Tensor]) -> torch.Tensor:
    count, rows = (int(torch.randint(1, most, ())) for most in (9, 17))
    contexts = torch.randint(CONTEXTS, (count,))
    match int(torch.randint(4, ())):
        case 0:
            return model(torch.randn(rows, INPUTS), context=contexts[0])
        case 1:
            return model(torch.randn(count, rows, INPUTS), context=contexts)
        case 2:
            return model.paired(torch.randn(count, INPUTS), context=contexts)
    return model.grouped(torch.randn(rows, INPUTS), context=torch.randint(CONTEXTS, (rows,)))


CASES: dict[str, Callable[[], Callable[[], None]]] = {
    "training": lambda: training(32),
    "training, memory used again": lambda: training(2000),
    "`Cached`": lambda: remembering(32),
}


def watch(step: Callable[[], None], steps: int) -> list[float]:
    """Resident memory in MiB at steady points: garbage collected, free pages given back, nothing in flight."""
    looks = []
    for number in range(1, steps + 1):
        step()
        if number % EVERY == 0:
            gc.collect()
            with suppress(OSError, AttributeError):  # only glibc has it
                ctypes.CDLL("libc.so.6").malloc_trim(0)
            looks.append(_resident())
    return looks


def growth(looks: list[float]) -> tuple[float, float]:
    """Memory after the warm-up, and how much more it is at the end: medians of a quarter of the looks each."""
    steady = looks[int(len(looks) * WARM) :]
    quarter = max(1, len(steady) // 4)
    first, last = median(steady[:quarter]), median(steady[-quarter:])
    return first, last / first - 1


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _command() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=10_000, help="of each case")
    parser.add_argument("--cases", default=";".join(CASES))
    parser.add_argument("--most", type=float, default=0.02, help="growth that is still flat")
    parser.add_argument("--write", type=Path, help="the page whose table is replaced")
    options = parser.parse_args()
    torch.manual_seed(0)
    lines = ["| case | steps | MiB after the warm-up | growth in per cent | highest |", "|---|---|---|---|---|"]
    flat = True
    for case in options.cases.split(";"):
        looks = watch(CASES[case](), options.steps)
        first, more = growth(looks)
        flat &= more <= options.most
        print(json.dumps({"case": case, "first": first, "growth": more, "looks": looks}), flush=True)
        lines.append(f"| {case} | {options.steps:,} | {first:.0f} | {100 * more:+.2f} | {max(looks):.0f} |")
    if options.write:
        put(options.write, "soak", "\n".join(lines))
    sys.exit(not flat)


if __name__ == "__main__":
    _command()
