"""Sequences of tasks made from one data set."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._batch import Split, Task

__all__ = ["permuted", "split"]


def permuted(source: Task, *, tasks: int = 10, seed: int) -> list[Task]:
    """The same images again and again, each time with their pixels in another fixed order.

    Task 0 keeps the pixels as they are, as in the code of von Oswald et al.; the orders of the others are
    drawn from `seed`, and the first ones do not change when more tasks are asked for. All tasks share the
    memory of `source`. Padding counts: a padded border is permuted with the rest.

    Args:
        source: the set to permute.
        tasks: how many; task t has context t.
        seed: of the permutations.

    Raises:
        ConfigError: no task asked for.

    Source:
        Goodfellow et al., "An empirical investigation of catastrophic forgetting", ICLR 2014; the protocol of
        von Oswald et al., "Continual learning with hypernetworks", ICLR 2020.
    """
    if tasks < 1:
        raise ConfigError(f"tasks: expected 1 or more, got {tasks}.")
    generator = torch.Generator().manual_seed(seed)
    height, width = source.shape[-2:]
    orders = [None, *(torch.randperm(height * width, generator=generator) for _ in range(tasks - 1))]
    return [
        _map(source, partial(replace, order=order, context=t), name=f"{source.name} in order {t}")
        for t, order in enumerate(orders)
    ]


def split(source: Task, *, classes_per_task: int = 2) -> list[Task]:
    """The classes of one set, a few at a time and in their own order: digits 0 and 1, then 2 and 3, ...

    Targets are counted from 0 within each task: the task is known when a sample is judged (task-incremental
    learning, CL1), so all tasks share one small output layer.

    Args:
        source: the set to split.
        classes_per_task: how many classes a task holds; must divide the number of classes.

    Raises:
        ConfigError: classes that cannot be dealt out evenly.

    Source:
        Zenke, Poole & Ganguli, "Continual learning through synaptic intelligence", ICML 2017; van de Ven &
        Tolias, "Three scenarios for continual learning", 2019.
    """
    if not 1 <= classes_per_task <= source.classes or source.classes % classes_per_task:
        raise ConfigError(
            f"classes_per_task: expected a divisor of the {source.classes} classes of '{source.name}', "
            f"got {classes_per_task}."
        )
    tasks = []
    for context, first in enumerate(range(0, source.classes, classes_per_task)):
        labels = range(first, first + classes_per_task)
        part = partial(_only, labels=labels, context=context)
        task = _map(source, part, name=f"{source.name} {', '.join(map(str, labels))}")
        tasks.append(replace(task, classes=classes_per_task))
    return tasks


def _map(source: Task, change: Callable[[Split], Split], *, name: str) -> Task:
    train, validation, test = map(change, (source.train, source.validation, source.test))
    return replace(source, name=name, train=train, validation=validation, test=test)


def _only(part: Split, *, labels: range, context: int) -> Split:
    rows = (part.targets >= labels.start) & (part.targets < labels.stop)
    return replace(part, stored=part.stored[rows], targets=part.targets[rows] - labels.start, context=context)
