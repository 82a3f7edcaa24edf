"""Networks that work on banks of channels."""

from collections.abc import Iterator
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.spaces._banks import Banks, Op, Plan

__all__ = ["BankNetwork"]


@final
class BankNetwork(nn.Module):
    """A convolutional classifier with the operations of a plan; it also runs plans whose operations are parts of these.

    An operation is normalisation, ReLU, a 1 x 1 convolution (``ops.*.opening``) divided by its norm, and the same with
    a larger convolution (``ops.*.main``). A narrower one takes the columns of the banks that it reads, the first
    channels, and the middle of the kernel. At the start kernels are empty but for the middle, so that larger ones add
    nothing that was not learnt. Normalisation has no parameters and takes the statistics of the batch at
    hand, also in evaluation: there are none of another plan, but a sample's output depends on its batch.

    Args:
        banks: the space.
        plan: what it is made for; None for the widest one.
        channels: of the images.
        classes: how many.
        stem: side of the first kernel.
        stride: of the first convolution.

    Shape:
        ``(samples, channels, height, width)`` -> ``(samples, classes)``.

    Raises:
        ConfigError: an even stem; a plan to be run that is no part of its own, or that cannot be run, as the widest.

    Source:
        Brock, Lim, Ritchie & Weston, "SMASH: One-Shot Model Architecture Search through HyperNetworks", ICLR 2018,
        section 3.1.
    """

    def __init__(
        self, banks: Banks, plan: Plan | None = None, *, channels: int, classes: int, stem: int = 3, stride: int = 1
    ) -> None:
        super().__init__()
        if stem < 1 or stem % 2 == 0:
            raise ConfigError(f"stem: expected an odd side of a kernel, got {stem}.")
        self.plan = banks.widest() if plan is None else plan
        self.size = banks.size
        inputs = banks.size * banks.inputs
        ends = [max(banks.inputs - 1, *(b for op in ops for b in op.writes)) + 1 for ops in _by_block(self.plan)]
        self.stem = nn.Conv2d(channels, inputs, stem, stride=stride, padding=stem // 2, bias=False)
        self.ops = nn.ModuleList(_operation(op, banks.size) for op in self.plan)
        self.transitions = nn.ModuleList(nn.Conv2d(banks.size * end, inputs, 1, bias=False) for end in ends[:-1])
        self.out = nn.Linear(banks.size * ends[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.orthogonal_(module.weight)
        for operation in self.ops:
            main = operation.get_parameter("main.weight")
            middle = main.shape[-1] // 2
            nn.init.zeros_(main)
            nn.init.orthogonal_(main[..., middle, middle])

    def forward(
        self, images: Float[Tensor, "samples channels height width"], plan: Plan | None = None
    ) -> Float[Tensor, "samples classes"]:
        plan = self.plan if plan is None else plan
        if len(plan) != len(self.plan):
            raise ConfigError(f"plan: expected {len(self.plan)} operations, got {len(plan)}.")
        modules = zip(self.plan, self.ops, strict=True)
        x = self.stem(images).relu()
        for block, ops in enumerate(_by_block(plan)):
            if block:
                x = F.conv2d(_active(x), self.transitions[block - 1].get_parameter("weight")[:, : x.shape[1]])
                x = F.avg_pool2d(x, 2, ceil_mode=True)
            memory = list(torch.split(x, self.size, dim=1))
            for op in ops:
                own, module = next(modules)
                if max(op.reads) >= len(memory):
                    raise ConfigError(f"plan: {op} reads what is not there: {len(memory)} banks.")
                made = self._run(op, own, module, torch.cat([memory[bank] for bank in op.reads], dim=1))
                for bank, part in zip(op.writes, torch.split(made, self.size, dim=1), strict=True):
                    if bank < len(memory):
                        memory[bank] = memory[bank] + part
                    else:
                        memory.append(part)
            x = torch.cat(memory, dim=1)
        return F.linear(_active(x).mean((2, 3)), self.out.weight[:, : x.shape[1]], self.out.bias)

    def _run(self, op: Op, own: Op, module: Any, x: Tensor) -> Tensor:
        if not _is_part(op, own):
            raise ConfigError(f"plan: {op} is no part of {own}. Build the network for a wider plan, or for this one.")
        width = self.size * len(op.writes)
        opening = module.opening.weight[:width]
        if op.reads != own.reads:
            columns = [own.reads.index(bank) for bank in op.reads]
            opening = opening.unflatten(1, (-1, self.size))[:, columns].flatten(1, 2)
        x = F.conv2d(_active(x), opening / opening.norm())
        edge = (own.kernel - op.kernel) // 2
        kernel = module.main.weight[:width, :width, edge : edge + op.kernel, edge : edge + op.kernel]
        return F.conv2d(_active(x), kernel, padding=op.dilation * (op.kernel // 2), dilation=op.dilation)


def _operation(op: Op, size: int) -> nn.Module:
    width = size * len(op.writes)
    opening = nn.Conv2d(size * len(op.reads), width, 1, bias=False)
    return nn.ModuleDict({"opening": opening, "main": nn.Conv2d(width, width, op.kernel, bias=False)})


def _is_part(op: Op, own: Op) -> bool:
    kernels = own.kernel - op.kernel
    narrower = len(op.writes) <= len(own.writes) and set(op.reads) <= set(own.reads)
    return op.block == own.block and narrower and kernels >= 0 and kernels % 2 == 0


def _by_block(plan: Plan) -> Iterator[list[Op]]:
    for block in range(plan[-1].block + 1):
        yield [op for op in plan if op.block == block]


def _active(x: Tensor) -> Tensor:
    return F.batch_norm(x, None, None, training=True).relu()
