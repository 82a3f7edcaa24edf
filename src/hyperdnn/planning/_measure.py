"""How long generating takes on this machine."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from hyperdnn.planning._build import after_encoder, generate
from hyperdnn.planning._strategies import FEATURES, Strategy
from hyperdnn.planning._subject import Subject

__all__ = ["time_to_generate"]

MEASURED_LIMIT = 32_000_000
"""The largest number of parameters and of generated numbers at which a strategy is run to measure its time."""

_PROBE_ROWS, _PROBE_NUMBERS, _SECONDS = 128, 1 << 23, 0.01


@torch.no_grad()
def time_to_generate(strategy: Strategy, subject: Subject, hidden: int, operations: int) -> tuple[float, bool]:
    """Seconds to generate the weights of one context, and whether they were measured: the median of a few runs.

    A large hypernet is not built: the rate of a matrix product like its own, with as many slots and cut down to a size
    that is quickly run, is applied to its operations.
    """
    slots, maps = (strategy.plan.slots, len(strategy.plan.groups)) if strategy.plan else (1, 1)
    hypernet = after_encoder(strategy, hidden, device=torch.device("meta"), dtype=subject.dtype)
    size = max(sum(p.numel() for p in hypernet.parameters()), strategy.layout.numel, subject.replaced.numel)
    if max(size, slots * hidden) <= MEASURED_LIMIT:
        _with_storage(hypernet, subject.device)
        features = torch.zeros(1, FEATURES, device=subject.device, dtype=subject.dtype)
        return _median(lambda: generate(hypernet, strategy, subject, features), subject.device), True
    rows = min(slots // maps, _PROBE_ROWS)
    columns = max(1, min(strategy.layout.numel // slots, _PROBE_NUMBERS // hidden))
    probe = _with_storage(nn.Linear(hidden, columns, device="meta", dtype=subject.dtype), subject.device)
    features = torch.zeros(rows, hidden, device=subject.device, dtype=subject.dtype)
    return _median(lambda: probe(features), subject.device) / (rows * hidden * columns) * operations, False


def _with_storage(module: nn.Module, device: torch.device) -> nn.Module:
    """Zeros for a module on the meta device: no random generator is disturbed, and products take as long."""
    module.to_empty(device=device)
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.zero_()
    return module


def _median(run: Callable[[], object], device: torch.device) -> float:
    times: list[float] = []
    run()  # the first run allocates
    while len(times) < 3 or sum(times) < _SECONDS:
        start = time.perf_counter()
        run()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times)
