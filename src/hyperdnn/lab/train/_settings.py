"""How a loop optimises: the part of a configuration that every recipe has."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config import check_least

__all__ = ["Settings"]


@final
@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a training loop.

    Args:
        iterations: steps of the optimiser; in a sequence, for each task.
        batch_size: samples in a batch.
        accumulate: batches whose mean gradient makes one iteration; where each has a context of its own, as in `joint`,
            that many contexts in the memory of one.
        optimizer: which one; Adam and AdamW are fused (but for ``"16-mixed"``), since their step is the largest cost
            of a hypernet that generates for one context.
        lr: learning rate.
        schedule: whether the rate stays, or falls along half a cosine, to zero after the last iteration.
        momentum: of SGD.
        weight_decay: coupled with the gradient, but decoupled for AdamW.
        clip_norm: gradients of the whole model with a larger norm are scaled down to it.
        clip_generated: the same for the gradient that arrives at one context's generated weights, before it enters the
            hypernet (see `clip_gradient`); of no effect on a model without one.
        patience: iterations without a lower validation loss after which training stops, with the best weights put back;
            null trains to the end. For recipes that have a validation loss, in one process.
        validate_every: iterations between two looks at the validation loss.
        log_every: iterations between two lines of losses in metrics.jsonl.
        checkpoint_every: iterations between two checkpoints; null for none before the end. Writing one takes a few
            steps' time, so 1000 cost below 1 %.
        keep_last: checkpoints that are kept while training goes on, besides the best.
        deterministic: refuse operators that are not, and choose those that are: on CUDA, the same seed then gives the
            same numbers, more slowly. On the CPU it does anyway. Of effect under `lab.run`.
        device: where to compute: the best there is, or a kind such as ``"cpu"``.
        precision: of the computation; parameters stay in 32 bits. ``"16-mixed"`` is for devices without bfloat16: it
            scales the loss so that small gradients are not lost, skips steps in which they overflow, and lowers the
            scale (see `torch.amp.GradScaler`).
        devices: processes on this machine, with one device each, that share each batch; under ``torchrun`` their number
            is its own.
        strategy: how several of them share the model: each has a copy and gradients are averaged (``"ddp"``, which
            ``"auto"`` takes), or each has a part (``"fsdp"``, see `distributed.shard`).
        generate_in_float32: let hypernets compute in 32 bits whatever the precision is, and only the target in fewer.

    Raises:
        ConfigError: a number that makes no sense.
    """

    iterations: int = 1000
    batch_size: int = 128
    accumulate: int = 1
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    momentum: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float | None = None
    clip_generated: float | None = None
    patience: int | None = None
    validate_every: int = 10
    log_every: int = 50
    checkpoint_every: int | None = 1000
    keep_last: int = 2
    deterministic: bool = False
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    devices: int = 1
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    generate_in_float32: bool = False

    def __post_init__(self) -> None:
        check_least(
            self, 1, "iterations", "batch_size", "accumulate", "validate_every", "log_every", "keep_last", "devices"
        )
        for name in ("checkpoint_every", "patience"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ConfigError(f"{name}: expected 1 or more, or null, got {number}.")
        check_least(self, 0, "lr", "momentum", "weight_decay")
        for name in ("clip_norm", "clip_generated"):
            norm = getattr(self, name)
            if norm is not None and not norm > 0:
                raise ConfigError(f"{name}: expected more than 0, or null for no clipping, got {norm}.")
        if self.momentum and self.optimizer != "sgd":
            raise ConfigError(f"momentum belongs to sgd; {self.optimizer} has betas of its own.")
        if self.precision == "16-mixed" and self.strategy == "fsdp":
            raise ConfigError(
                "precision: '16-mixed' wants whole gradients, and under strategy 'fsdp' no process has one. "
                "Use 'bf16-mixed', or strategy 'ddp'."
            )

    def rate(self, done: float) -> float:
        """The learning rate after a share of the iterations."""
        return self.lr if self.schedule == "constant" else self.lr * (1 + math.cos(math.pi * done)) / 2

    def make_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """A fresh optimiser of these parameters, those left out that are frozen."""
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        if not trained:
            raise ConfigError("nothing to train: every parameter is frozen.")
        if self.optimizer == "sgd":
            return torch.optim.SGD(trained, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay)
        kind = torch.optim.Adam if self.optimizer == "adam" else torch.optim.AdamW
        fused = self.precision != "16-mixed"  # it would unscale by itself, after gradients are clipped
        return kind(trained, lr=self.lr, weight_decay=self.weight_decay, fused=fused)
