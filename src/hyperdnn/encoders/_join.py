"""Several encoders, each with a context of its own, as one."""

from collections.abc import Iterable, Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.typing import Context

__all__ = ["Join", "WeightedSum"]


@final
class Join(nn.Module):
    """Puts the features of several encoders side by side: a task and its hyperparameters, a user and noise.

    Args:
        encoders: each declares its ``features``.

    Shape:
        a tuple with one context for each encoder, all of the same context dimensions -> ``(*contexts, features)``, with
        ``features`` the sum of theirs.

    Raises:
        ConfigError: if an encoder does not declare its width, or gives tokens.
        ContextError: if the contexts are not as many as the encoders, or differ in their context dimensions.
    """

    def __init__(self, *encoders: nn.Module) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.features = sum(_widths("Join", encoders))

    def forward(self, context: Context) -> Float[Tensor, "*contexts features"]:
        return torch.cat(_encode("Join", self.encoders, context), dim=-1)


@final
class WeightedSum(nn.Module):
    """Adds the features of several encoders of equal width, each times a learned number.

    For fixed numbers freeze them: ``encoder.shares.requires_grad_(False)``.

    Args:
        encoders: each declares the same ``features``.
        shares: the number of each encoder at the start; all equal, a plain mean, unless said otherwise.
        device: where to put the shares.
        dtype: their type.

    Shape:
        a tuple with one context for each encoder, all of the same context dimensions -> ``(*contexts, features)``.

    Raises:
        ConfigError: if widths differ or are not declared, an encoder gives tokens, or there is not one share for each.
        ContextError: if the contexts are not as many as the encoders, or differ in their context dimensions.
    """

    def __init__(
        self,
        *encoders: nn.Module,
        shares: Sequence[float] | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        widths = _widths("WeightedSum", encoders)
        if len(set(widths)) != 1:
            raise ConfigError(
                f"WeightedSum takes encoders of equal width, got features of {widths}: use encoders.Join."
            )
        start = [1 / len(encoders)] * len(encoders) if shares is None else list(shares)
        if len(start) != len(encoders):
            raise ConfigError(f"WeightedSum: expected {len(encoders)} shares, one for each encoder, got {len(start)}.")
        self.encoders = nn.ModuleList(encoders)
        self.features = widths[0]
        self.shares = nn.Parameter(torch.tensor(start, device=device, dtype=dtype or torch.get_default_dtype()))

    def forward(self, context: Context) -> Float[Tensor, "*contexts features"]:
        return torch.stack(_encode("WeightedSum", self.encoders, context), dim=-1) @ self.shares


def _widths(name: str, encoders: Sequence[nn.Module]) -> list[int]:
    if not encoders:
        raise ConfigError(f"{name} needs at least one encoder, as in {name}(Table(5, 8), Vector(8)).")
    widths = []
    for encoder in encoders:
        width = getattr(encoder, "features", None)
        if not isinstance(width, int):
            raise ConfigError(
                f"{name}: {type(encoder).__name__} does not declare its features. Wrap it: encoders.FromModule(...)."
            )
        if getattr(encoder, "tokens", False) is True:
            raise ConfigError(
                f"{name}: {type(encoder).__name__} gives tokens, many rows for each context. Use encoders.Set."
            )
        widths.append(width)
    return widths


def _encode(name: str, encoders: Iterable[nn.Module], context: Context) -> list[Tensor]:
    modules = list(encoders)
    if not isinstance(context, tuple | list) or len(context) != len(modules):
        got = f"{len(context)}" if isinstance(context, tuple | list) else type(context).__name__
        raise ContextError(f"{name} takes a tuple of {len(modules)} contexts, one for each encoder, got {got}.")
    features = [encoder(one) for encoder, one in zip(modules, context, strict=True)]
    leads = [tuple(rows.shape[:-1]) for rows in features]
    if any(lead != leads[0] for lead in leads):
        raise ContextError(f"{name}: the contexts must have the same context dimensions, got {leads}: expand them.")
    devices = [str(rows.device) for rows in features]
    if len(set(devices)) > 1:
        raise ContextError(f"{name}: the contexts must be on one device, got features on {', '.join(devices)}.")
    return features
