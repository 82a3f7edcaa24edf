"""The copy task: how long a recurrent network can remember."""

import math
from collections.abc import Sequence

import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._batch import Split, Task

__all__ = ["permuted_copy"]


def permuted_copy(*, tasks: int = 5, steps: int = 5, width: int = 7, sizes: Sequence[int], seed: int) -> list[Task]:
    """Read random bits for some steps, then a stop flag, then write them down, in another order in each task.

    Inputs are ``(samples, 2 * steps + 1, width + 1)``: the bits, the flag in a column of its own, and zeros. Targets
    are what is to be written during the zeros, ``(samples, steps, width)``. Task 0 keeps the order, no two tasks have
    the same; the inputs are the same in all tasks, so the context alone tells what to do. Short patterns come again:
    there are ``2 ** (steps * width)`` of them, and those to test are not kept apart from those to train.

    Args:
        tasks: how many; task t has context t.
        steps: length of a pattern.
        width: bits in a step.
        sizes: samples to train, validate and test.
        seed: of patterns and orders; the first orders do not change when more tasks are asked for.

    Raises:
        ConfigError: numbers that make no sense, or more tasks than orders.

    Source:
        Graves, Wayne & Danihelka, "Neural Turing machines", 2014; permuted over time as Ehret et al., "Continual
        learning in recurrent neural networks", ICLR 2021.
    """
    if min(tasks, steps, width) < 1:
        raise ConfigError(f"permuted_copy: expected tasks, steps and width from 1, got {tasks}, {steps} and {width}.")
    if tasks > math.factorial(steps):
        raise ConfigError(
            f"tasks: {steps} steps have {math.factorial(steps)} orders, got {tasks} tasks. Take more steps."
        )
    if len(sizes) != 3 or min(sizes) < 1:
        raise ConfigError(f"sizes: expected three numbers of 1 or more, to train, validate and test, got {sizes}.")
    generator = torch.Generator().manual_seed(seed)
    patterns = [torch.randint(2, (size, steps, width), generator=generator, dtype=torch.uint8) for size in sizes]
    inputs = []
    for bits in patterns:
        read = torch.zeros(len(bits), 2 * steps + 1, width + 1, dtype=torch.uint8)
        read[:, :steps, :width] = bits
        read[:, steps, width] = 1
        inputs.append(read)
    orders = [list(range(steps))]
    while len(orders) < tasks:
        order = torch.randperm(steps, generator=generator).tolist()
        orders += [order] if order not in orders else []
    found = []
    for context, order in enumerate(orders):
        train, validation, test = (
            Split(stored=read, targets=bits[:, order].float(), context=context)
            for read, bits in zip(inputs, patterns, strict=True)
        )
        found.append(Task(name=f"copy in order {context}", train=train, validation=validation, test=test))
    return found
