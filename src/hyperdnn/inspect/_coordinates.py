"""Contexts as rows of numbers that can be moved."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from hyperdnn.errors import ContextError
from hyperdnn.inspect._vitals import undisturbed
from hyperdnn.models import HyperDNN
from hyperdnn.typing import Context, Weights

__all__ = ["Coordinates", "coordinates"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Coordinates:
    """Where contexts are, and what a hypernet generates there and anywhere else.

    Args:
        rows: ``(*contexts, d)``, one row of numbers for each context.
        own: whether these are the context's own numbers. Otherwise they are what the encoder makes of the context.
        generate: rows ``(*any, d)`` -> weights, also where no context is: between two of them, or a step away. In the
            model's present mode, and differentiable.
    """

    rows: Tensor
    own: bool
    generate: Callable[[Tensor], Weights]


def coordinates(model: HyperDNN, context: Context) -> Coordinates:
    """The coordinates of contexts: a context vector's own numbers, or for all other contexts the encoder's features.

    Preferences, noise and hyperparameters are vectors, and their numbers mean something. An index, an image or a text
    has no numbers to move along; its embedding has. Tokens are one long row.

    Args:
        model: to look at; its mode, gradients and random state stay as they are.
        context: any number of contexts, as the model takes them.

    Raises:
        ContextError: the encoder gives tokens with a mask, or there is none and the context is no vector.
    """
    hypernet = model.hypernet
    encoder, from_features = getattr(hypernet, "encoder", None), getattr(hypernet, "from_features", None)
    if not isinstance(encoder, nn.Module) or from_features is None:
        with undisturbed(hypernet):
            lead = len(model.target.layout.check(hypernet(context)))
        if not _is_vector(context, lead):
            raise ContextError(
                f"{type(hypernet).__name__} has no encoder, and its context is no floating-point vector: it has no "
                "coordinates. Build it as Hypernet(encoder=...), or look at the model of one of its parts."
            )
        return Coordinates(rows=context.detach(), own=True, generate=hypernet)
    with undisturbed(hypernet):
        features = encoder(context)
    if not isinstance(features, Tensor):
        raise ContextError(
            f"encoder {type(encoder).__name__} gives tokens with a mask: contexts of different lengths have no "
            "coordinates in common."
        )
    trailing = 1 + int(getattr(encoder, "tokens", False) is True) + getattr(encoder, "adds_contexts", 0)
    lead = features.ndim - trailing
    if _is_vector(context, lead):
        return Coordinates(rows=context.detach(), own=True, generate=hypernet)
    shape = features.shape[lead:]

    def generate(rows: Tensor) -> Weights:
        weights: Weights = from_features(rows.reshape(*rows.shape[:-1], *shape))
        return weights

    return Coordinates(rows=features.detach().flatten(lead), own=False, generate=generate)


def _is_vector(context: Context, lead: int) -> bool:
    return isinstance(context, Tensor) and context.is_floating_point() and context.ndim == lead + 1
