"""Exports of adapter folders, and saves, that cannot succeed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import nn

import hyperdnn as hd
from hyperdnn import export, targets

from .attempt import Attempt


def attempts(scratch: Path) -> SearchStrategy[Attempt]:
    """Exports that must be refused."""
    model, plain = _model(lora=True), _model(lora=False)
    return st.one_of(_places(model, scratch), _others(model, plain, scratch))


def whole(scratch: Path) -> list[Callable[[], object]]:
    """An export and a save."""
    model = _model(lora=True)
    export_it = partial(export.peft, model, scratch / "new", context=torch.tensor(1), task_type="CAUSAL_LM")
    return [export_it, partial(model.save_pretrained, scratch / "new")]


def _model(*, lora: bool) -> hd.HyperDNN:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).requires_grad_(False)
    if not lora:
        return hd.HyperDNN.for_tasks(net, 3, hidden=8)
    targets.attach_lora(net, "*", rank=2)
    return hd.HyperDNN.for_tasks(net, 3, select="*.lora_*", hidden=8)


@st.composite
def _places(draw: st.DrawFn, model: hd.HyperDNN, scratch: Path) -> Attempt:
    file, taken = scratch / "file", scratch / "taken"
    file.touch()
    for name in ("adapter_config.json", "adapter_model.safetensors", "config.json", "model.safetensors"):
        (taken / name / "below").mkdir(parents=True, exist_ok=True)
    place = draw(
        st.sampled_from(
            [
                file,
                file / "below",
                file / "below" / "further",
                Path("/dev/null"),
                Path("/dev/null/below"),
                Path("/proc/self"),
                Path("/proc/below"),
                Path("/sys/below"),
                Path(f"{scratch}/a\0b"),
                taken,
            ]
        )
        | st.integers(256, 9000).map(lambda n: scratch / ("x" * n))
        | st.integers(50, 500).map(lambda n: scratch.joinpath(*["x" * 200] * n))
    )
    save: dict[str, Callable[[], object]] = {
        "export": partial(export.peft, model, place, context=torch.tensor(1)),
        "save": partial(model.save_pretrained, place),
    }
    how = draw(st.sampled_from(sorted(save)))
    return Attempt(f"{how} into {str(place)[:60]!r}", save[how])


@st.composite
def _others(draw: st.DrawFn, model: hd.HyperDNN, plain: hd.HyperDNN, scratch: Path) -> Attempt:
    contexts: list[Any] = [
        torch.tensor([0]),
        torch.tensor([0, 1]),
        torch.tensor([[0, 1]]),
        torch.zeros(0, dtype=torch.int64),
    ]
    contexts += [torch.tensor(draw(st.integers(3, 2**62))), torch.tensor(draw(st.integers(-(2**62), -1))), 1, None, "1"]
    contexts += [torch.tensor(1.0), torch.tensor(True)]
    task: Any = draw(st.sampled_from([3, object(), b"CAUSAL_LM", ["CAUSAL_LM"], {"a": 1}, 1.5, float("nan"), print]))
    context = draw(st.sampled_from(contexts))
    calls: dict[str, Callable[[], object]] = {
        f"context {context}": partial(export.peft, model, scratch / "out", context=context),
        f"task_type {task!r}": partial(export.peft, model, scratch / "out", context=torch.tensor(1), task_type=task),
        "no LoRA": partial(export.peft, plain, scratch / "out", context=torch.tensor(1)),
    }
    name = draw(st.sampled_from(sorted(calls)))
    return Attempt(f"export: {name}"[:80], calls[name])
