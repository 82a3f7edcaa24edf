"""Networks as lists of operations that read and write banks of channels."""

from dataclasses import dataclass
from typing import TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config import check_least

__all__ = ["Banks", "Op", "Plan"]


@final
@dataclass(frozen=True, kw_only=True)
class Op:
    """One operation: a 1 x 1 convolution of the banks that it reads, then a larger one.

    Args:
        block: which block it belongs to; between blocks the resolution halves and banks begin anew.
        reads: the banks that it takes together, in rising order.
        writes: the banks that its output is dealt out to, as many as it is wide, in rising order. To a new bank it is
            written, which concatenates, as in a DenseNet; to an old one it is added, as in a ResNet.
        kernel: side of the larger convolution.
        dilation: of the larger convolution.
    """

    block: int
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    kernel: int
    dilation: int


Plan: TypeAlias = tuple[Op, ...]
"""An architecture, block by block."""


@final
@dataclass(frozen=True, kw_only=True)
class Banks:
    """A space of architectures, as a part of a configuration.

    Args:
        ops: operations of each block.
        size: channels of a bank.
        inputs: banks that a block begins with.
        memory: banks that a block may come to have.
        width: banks that an operation may write.
        kernels: sides of kernels to choose from, in the order in which they are allowed.
        dilations: the largest one.
        sums: whether operations may also add to banks that are there; otherwise all write to new ones.

    Raises:
        ConfigError: a number that makes no sense, or more banks to write than there may be.

    Source:
        Brock, Lim, Ritchie & Weston, "SMASH: One-Shot Model Architecture Search through HyperNetworks", ICLR 2018,
        section 3.1.
    """

    ops: tuple[int, ...] = (2, 2)
    size: int = 4
    inputs: int = 4
    memory: int = 12
    width: int = 4
    kernels: tuple[int, ...] = (1, 3, 5)
    dilations: int = 2
    sums: bool = True

    def __post_init__(self) -> None:
        check_least(self, 1, "ops", "size", "inputs", "memory", "width", "kernels", "dilations")
        if not self.ops or not self.kernels:
            raise ConfigError(
                f"expected at least one block and one kernel, got ops={self.ops}, kernels={self.kernels}."
            )
        if any(side % 2 == 0 for side in self.kernels):
            raise ConfigError(f"kernels: expected odd sides, so that images keep theirs, got {self.kernels}.")
        if not self.width <= self.inputs <= self.memory:
            raise ConfigError(
                f"expected width <= inputs <= memory, got {self.width}, {self.inputs} and {self.memory}: an operation "
                "that writes to no new bank adds to those that are there."
            )
        most = self.inputs + self.width * max(self.ops)
        if not self.sums and self.memory < most:
            raise ConfigError(
                f"memory: without sums expected {most} or more, so that all can be new, got {self.memory}."
            )

    @property
    def features(self) -> tuple[str, ...]:
        """What the channels of an encoding say."""
        counted = (("read", self.memory), ("write", self.memory), ("block", len(self.ops)))
        names = [f"{word} {index}" for word, count in counted for index in range(count)]
        names += [f"width {index + 1}" for index in range(self.width)]
        names += [f"kernel {side}" for side in self.kernels]
        return (*names, *(f"dilation {index + 1}" for index in range(self.dilations)))

    def draw(self, generator: torch.Generator, *, reads: float = 1.0, kernels: int | None = None) -> Plan:
        """A random architecture.

        Numbers of banks to read, of banks to write, and with ``sums`` of new ones among these, kernel and dilation are
        drawn uniformly, and then which banks.

        Args:
            generator: on the CPU.
            reads: the largest share of its block's banks that an operation reads; at least one bank.
            kernels: how many to choose from; None for all.
        """

        def upto(number: int) -> int:
            return int(torch.randint(number, (), generator=generator)) + 1

        def some(number: int, banks: int) -> tuple[int, ...]:
            return tuple(sorted(torch.randperm(banks, generator=generator)[:number].tolist()))

        allowed = self.kernels[:kernels]
        plan = []
        for block, count in enumerate(self.ops):
            banks = self.inputs
            for _ in range(count):
                read = some(upto(max(1, int(reads * banks))), banks)
                width = upto(self.width)
                new = upto(min(width, self.memory - banks) + 1) - 1 if self.sums else width
                written = some(width - new, banks) + tuple(range(banks, banks + new))
                kernel, dilation = allowed[upto(len(allowed)) - 1], upto(self.dilations)
                plan.append(Op(block=block, reads=read, writes=written, kernel=kernel, dilation=dilation))
                banks += new
        return tuple(plan)

    def widest(self) -> Plan:
        """Operations of which those of every architecture are parts: each reads all banks and is as wide as may be."""
        reads, writes = tuple(range(self.memory)), tuple(range(self.memory - self.width, self.memory))
        blocks = [block for block, count in enumerate(self.ops) for _ in range(count)]
        return tuple(Op(block=b, reads=reads, writes=writes, kernel=max(self.kernels), dilation=1) for b in blocks)

    def encode(self, plan: Plan) -> Float[Tensor, "features width columns"]:
        """An architecture as an image: in channel `features`, 1 where it holds, else -1.

        There is a column for each operation and bank, which tells whether it is read, where to and how. Its rows, as
        many as the operation is wide, are alike; those behind, and columns of banks that are not read, are -1 all over.
        """
        channel = {name: index for index, name in enumerate(self.features)}
        image = torch.full((len(channel), self.width, len(plan), self.memory), -1.0)
        for index, op in enumerate(plan):
            width, read = len(op.writes), list(op.reads)
            said = [f"write {bank}" for bank in op.writes]
            said += [f"block {op.block}", f"width {width}", f"kernel {op.kernel}", f"dilation {op.dilation}"]
            for name in said:
                image[channel[name], :width, index, read] = 1
            image[read, :width, index, read] = 1
        return image.flatten(2)
