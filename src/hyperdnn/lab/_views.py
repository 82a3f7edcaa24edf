"""Views that recipes share."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from hyperdnn.inspect import Probe
from hyperdnn.lab._view import View
from hyperdnn.lab.data import Task, Voices
from hyperdnn.models import HyperDNN

__all__ = ["view_pictures", "view_tasks", "view_voices"]

_SAMPLES: Final = 100  # of each task: enough for a loss, few enough for a slider
_MOST: Final = 64  # tasks that a figure has room for


def view_tasks(
    model: HyperDNN,
    tasks: Sequence[Task],
    *,
    context: str = "task",
    answer: Callable[[int, Tensor], Tensor] | None = None,
) -> View:
    """One context for each task of classification, and its first test samples.

    Args:
        model: from the number of a task to its network.
        tasks: in the order of their numbers; the first 64 are shown.
        context: what a task is, in a word, such as ``"client"``.
        answer: the number of a task and outputs ``(..., n, *outputs)`` -> scores of its classes ``(..., n, classes)``;
            None if the outputs are these.
    """
    batches = [task.test[:_SAMPLES] for task in tasks[:_MOST]]
    names = [f"{context} {k}" for k in range(len(batches))]
    probes = [
        Probe(
            name=name,
            inputs=batch.inputs,
            targets=batch.targets,
            loss=F.cross_entropy,
            measure="cross-entropy (nats)",
            context=k,
            answer=None if answer is None else partial(answer, k),
        )
        for k, (name, batch) in enumerate(zip(names, batches, strict=True))
        if len(batch)
    ]
    contexts = torch.arange(len(batches))
    return View(model=model, contexts=contexts, names=names, context=context, probes=probes, shows="classes")


def view_pictures(
    model: HyperDNN,
    given: Float[Tensor, "images channels h w"],
    originals: Float[Tensor, "images channels height width"],
    points: Callable[[int, int], Tensor],
    *,
    scales: Sequence[int],
) -> View:
    """One context for each image, whose network says the colour at any point; and a picture of all its points.

    Args:
        model: from a given image to its network.
        given: what it reads.
        originals: what its network should show.
        points: height and width -> where the pixels of a picture of that size lie, row by row ``(pixels, d)``.
        scales: times the given size, other pictures to draw than the originals.
    """
    size = (originals.shape[2], originals.shape[3])
    probes = [
        Probe(
            name=f"image {k}",
            inputs=points(*size),
            targets=colours,
            loss=F.mse_loss,
            measure="mean squared error",
            context=k,
            side=size,
        )
        for k, colours in enumerate(originals.flatten(2).mT)
    ]
    for scale in scales:
        height, width = (scale * side for side in given.shape[2:])
        if (height, width) != size:
            probes.append(Probe(name=f"{height} x {width} pixels", inputs=points(height, width), side=(height, width)))
    names = [f"image {k}" for k in range(len(given))]
    return View(model=model, contexts=given, names=names, context="image", probes=probes, shows="picture")


def view_voices(model: HyperDNN, voices: Voices) -> View:
    """One context for each voice that is new to the model: what describes it. Its probe are passages of it.

    Args:
        model: from a description to a language model of characters.
        voices: with their texts.
    """
    batch = voices.test.side_by_side()
    names = [voices.names[number] for number in batch.voices.tolist()]
    probes = [
        Probe(
            name=name,
            inputs=inputs,
            targets=targets,
            loss=lambda scores, targets: F.cross_entropy(scores.flatten(0, -2), targets.flatten()),
            measure="cross-entropy (nats)",
            context=k,
        )
        for k, (name, inputs, targets) in enumerate(zip(names, batch.inputs, batch.targets, strict=True))
    ]
    return View(model=model, contexts=batch.context, names=names, context="voice", probes=probes)
