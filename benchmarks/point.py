"""One point of a scaling curve, in a process of its own; prints JSON.

A training step is forward and backward of one hypernet and its target, warm; there is no optimiser in it. The CPU's
time is the median over steps; the clock's is the shortest, since other work on the machine only lengthens it. Memory is
what is resident at the peak of a step beyond what was before the model was built: the hypernet, its gradients, the
generated weights with theirs, activations. The target's own weights never exist.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd

__all__ = ["measure", "probe"]

HIDDEN: Final = 64
_CONTEXT, _SLOT, _LAYERS, _SAMPLES = 16, 16, 8, 8
_MIB: Final = 2**20
_STATUS: Final = Path("/proc/self/status")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=10_000, help="generated weights of the target, about")
    parser.add_argument("--contexts", type=int, default=1)
    parser.add_argument("--chunk", type=int, help="size of a chunk; all at once without it")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--probe", action="store_true", help="measure the device itself instead")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    if options.probe:
        print(json.dumps(probe(device)))
    else:
        print(json.dumps(measure(options.size, options.contexts, options.chunk, device=device)))


def measure(
    size: int, contexts: int, chunk: int | None, *, device: torch.device, seconds: float = 0.3
) -> dict[str, Any]:
    """Time and memory of a step at one size.

    Args:
        size: weights of the target, about: it is a multilayer perceptron of equal layers.
        contexts: how many, each with its own batch of eight; one is a context without a context dimension.
        chunk: numbers that one slot generates, or None for all at once.
        device: where.
        seconds: to spend on timing; three steps at least.
    """
    _warm(device)
    before = _resident(device)
    model, width = _model(size, chunk, device)
    leading = () if contexts == 1 else (contexts,)
    x = torch.randn(*leading, _SAMPLES, width, device=device)
    context = torch.randn(*leading, _CONTEXT, device=device)

    def step() -> None:
        for parameter in model.parameters():
            parameter.grad = None
        model(x, context=context).square().mean().backward()

    step()
    _forget_peak(device)
    step()
    peak = _peak(device) - before
    wall, cpu = _times(step, device, seconds)
    weights = model.hypernet.layout.numel
    return {
        "weights": weights,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "contexts": contexts,
        "chunk": chunk,
        "threads": torch.get_num_threads(),
        "device": device.type,
        "cpu_ms": 1e3 * cpu,
        "wall_ms": 1e3 * wall,
        "peak_mb": max(peak, 0) / _MIB or None,
        **_least_work(model, contexts, chunk),
    }


def _model(size: int, chunk: int | None, device: torch.device) -> tuple[hd.HyperDNN, int]:
    width = max(1, round((size / _LAYERS) ** 0.5))
    layers: list[nn.Module] = []
    for _ in range(_LAYERS):
        layers += [nn.Linear(width, width, device="meta"), nn.ReLU()]
    target = hd.Target(nn.Sequential(*layers[:-1]))
    encoder = hd.encoders.Vector(_CONTEXT)
    if chunk is None:
        body, slots = hd.bodies.MLP(_CONTEXT, HIDDEN, HIDDEN), None
        head: nn.Module = hd.heads.FullHead(HIDDEN, target.layout)
    else:
        head = hd.heads.ChunkedHead(HIDDEN, target.layout, chunk)
        slots = hd.encoders.Slots(head.slots, _SLOT)
        body = hd.bodies.MLP(_CONTEXT + _SLOT, HIDDEN, HIDDEN)
    hypernet = hd.Hypernet(encoder=encoder, slots=slots, body=body, head=head)
    return hd.HyperDNN(target, hypernet.to(device)), width


def _least_work(model: hd.HyperDNN, contexts: int, chunk: int | None) -> dict[str, float]:
    """What no implementation can save: multiply-adds of both networks three times, each number moved once.

    Parameters are read for forward and backward and their gradients written; generated weights and their gradients are
    written and read.
    """
    weights = model.hypernet.layout.numel
    rows = contexts * (1 if chunk is None else -(-weights // chunk))
    first = _CONTEXT if chunk is None else _CONTEXT + _SLOT
    generate = rows * (first * HIDDEN + HIDDEN * HIDDEN + HIDDEN * (chunk or weights))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    flops = 6 * (generate + weights * _SAMPLES * contexts)
    return {"gflop": flops / 1e9, "mbytes": 4 * (3 * parameters + 4 * weights * contexts) / 1e6}


def probe(device: torch.device) -> dict[str, float]:
    """What the device can do: a large product of matrices and a large copy, each at its best."""
    side = 1024 if device.type == "cpu" else 8192
    a, b = torch.randn(side, side, device=device), torch.randn(side, side, device=device)
    x = torch.randn(2**25 if device.type == "cpu" else 2**28, device=device)
    y = torch.empty_like(x)
    # with one thread the CPU's time, as for the points
    clock = 1 if device.type == "cpu" and torch.get_num_threads() == 1 else 0
    product = min(_time(lambda: a @ b, device)[clock] for _ in range(9))
    copy = min(_time(lambda: y.copy_(x), device)[clock] for _ in range(9))
    return {"gflops": 2 * side**3 / product / 1e9, "gbs": 2 * 4 * x.numel() / copy / 1e9}


def _times(step: Callable[[], object], device: torch.device, seconds: float) -> tuple[float, float]:
    """Seconds of the clock and of the CPU; short steps are timed together."""
    once = _time(step, device)[0]
    repeat = max(1, min(50, int(seconds / 15 / max(once, 1e-6))))
    rounds = max(3, min(9, int(seconds / (once * repeat))))

    def several() -> None:
        for _ in range(repeat):
            step()

    wall, cpu = zip(*(_time(several, device) for _ in range(rounds)), strict=True)
    return min(wall) / repeat, statistics.median(cpu) / repeat


def _time(step: Callable[[], object], device: torch.device) -> tuple[float, float]:
    _wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    _wait(device)
    return time.perf_counter() - wall, time.process_time() - cpu


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _warm(device: torch.device) -> None:
    """Load what the first step of a process loads: kernels and threads are no part of a step's memory."""
    a = torch.randn(64, 64, device=device, requires_grad=True)
    F.relu(a @ a).square().mean().backward()
    _wait(device)


def _resident(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return _status("VmRSS")


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _STATUS.exists():
        _STATUS.with_name("clear_refs").write_text("5", encoding="ascii")  # 5: the peak of the resident set


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _status("VmHWM")


def _status(field: str) -> int:
    """Bytes, as Linux counts them; other systems do not say."""
    if not _STATUS.exists():
        return 0
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    main()
