"""Running statistics: whose they are, said once and explicitly.

With generated weights the same normalisation layer serves many networks, and its running statistics can be meant in
four ways. None of them is a safe default, so a target that has such statistics must be told.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from hyperdnn._torch import NormBase
from hyperdnn.errors import BufferPolicyError, ContextError, LayoutError, nearest
from hyperdnn.nn import PooledBatchNorm
from hyperdnn.targets._swap import can_pool, swap_batch_norm

__all__ = [
    "Policy",
    "apply_policy",
    "check_ids",
    "check_rows",
    "enforce_policy",
    "initial_buffers",
    "pools",
    "put_rows",
    "statistics",
]

Policy: TypeAlias = Literal["frozen", "batch", "shared", "per_context"]
"""``frozen``: use, never update. ``batch``: none, always the batch's own. ``shared``: one set, pooled over samples and
contexts. ``per_context``: one set for each context id, passed and returned."""


def statistics(module: nn.Module) -> dict[str, nn.Module]:
    """The layers with running statistics, by name; targets inside the module have a policy of their own."""
    targets = [name for name, inner in module.named_modules() if name and hasattr(inner, "buffers_policy")]
    inside = tuple(f"{name}." for name in targets)
    return {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, NormBase | PooledBatchNorm)
        and layer.running_mean is not None
        and not name.startswith(inside)
    }


def apply_policy(module: nn.Module, policy: str | None) -> nn.Module:
    """Check the policy against the module and make the change that it needs.

    Raises:
        BufferPolicyError: without a policy where one is needed, for an unknown one, or one that a layer cannot follow.
    """
    layers = statistics(module)
    if policy is not None and policy not in get_args(Policy):
        raise BufferPolicyError(f"buffers='{policy}' is unknown.{nearest(policy, get_args(Policy))}")
    if layers and policy is None:
        some = ", ".join(f"'{name}'" for name in list(layers)[:4]) + (", ..." if len(layers) > 4 else "")
        raise BufferPolicyError(
            f"target has {type(next(iter(layers.values()))).__name__} with running statistics ({some}). "
            'Say which: buffers="frozen" (use, never update), "batch" (no running statistics), '
            '"shared" (one set for all contexts) or "per_context" (one set for each).'
        )
    if policy == "batch":
        for layer in layers.values():
            _forget(layer)
    if policy == "shared":
        for name, layer in layers.items():
            if not can_pool(layer):
                raise BufferPolicyError(
                    f"'{name}' ({type(layer).__name__}) cannot pool its statistics over contexts. "
                    'Use buffers="frozen", "batch" or "per_context".'
                )
        module = swap_batch_norm(module)
    return module


def pools(module: nn.Module) -> bool:
    """Whether statistics are being pooled over contexts: then all of them must be in one call."""
    return any(isinstance(layer, PooledBatchNorm) and layer.training for layer in module.modules())


def enforce_policy(module: nn.Module, policy: str | None, *, own_buffers: bool) -> None:
    """Before each call: keep frozen layers in evaluation mode, whatever ``train()`` said since the last one.

    Raises:
        BufferPolicyError: under ``"per_context"``, if the call does not pass the statistics.
    """
    if policy == "frozen":
        for layer in statistics(module).values():
            if layer.training:
                layer.eval()
    if policy == "per_context" and not own_buffers and statistics(module):
        raise BufferPolicyError('buffers="per_context": call with_buffers(weights, x, buffers, ids).')


def initial_buffers(module: nn.Module, contexts: int) -> dict[str, Tensor]:
    """Running statistics as they are now, once for each of ``contexts``: name -> ``(contexts, *shape)``."""
    return {
        f"{name}.{leaf}" if name else leaf: buffer.expand(contexts, *buffer.shape).clone()
        for name, layer in statistics(module).items()
        for leaf, buffer in layer.named_buffers(recurse=False)
    }


def check_ids(
    policy: str | None, buffers: Mapping[str, Tensor], expected: Mapping[str, Tensor], ids: Tensor, contexts: torch.Size
) -> None:
    """Verify statistics and ids of a ``with_buffers`` call.

    Raises:
        BufferPolicyError: under another policy than ``"per_context"``.
        LayoutError: if a statistic is missing, unknown or of the wrong shape.
        ContextError: if the ids do not fit the contexts, are beyond the sets, or name one set twice.
    """
    if policy != "per_context":
        raise BufferPolicyError(f'with_buffers belongs to buffers="per_context", here it is {policy!r}.')
    for name in [*expected, *buffers]:
        if name not in buffers or name not in expected:
            raise LayoutError(
                f"running statistics: '{name}' is missing or unknown. Start from target.initial_buffers(n)."
            )
        if buffers[name].shape[1:] != expected[name].shape[1:]:
            raise LayoutError(
                f"running statistics '{name}': expected (sets, *{tuple(expected[name].shape[1:])}), "
                f"got {tuple(buffers[name].shape)}."
            )
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise ContextError(f"ids: expected integers, got {ids.dtype}.")
    if ids.shape != contexts:
        raise ContextError(f"ids: expected one for each context, {tuple(contexts)}, got {tuple(ids.shape)}.")
    sets = min((b.shape[0] for b in buffers.values()), default=0)
    values = ids.flatten().tolist()
    for value in values:
        if not 0 <= value < sets:
            raise ContextError(f"id {value}: there are running statistics for 0 to {sets - 1}.")
    if len(set(values)) < len(values):
        raise ContextError(
            "an id comes twice in one call: its running statistics would have two values. Join its data."
        )


def check_rows(rows: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Verify the running statistics of one context, for a network that is baked.

    Raises:
        BufferPolicyError: if some are missing, or not wanted.
    """
    if rows.keys() != expected.keys():
        raise BufferPolicyError(
            f"expected running statistics for {sorted(expected) or 'nothing'} (they belong to "
            f'buffers="per_context"), got {sorted(rows) or "none"}.'
        )
    for name, row in rows.items():
        if row.shape != expected[name].shape[1:]:
            raise BufferPolicyError(
                f"running statistics '{name}': expected those of one context, {tuple(expected[name].shape[1:])}, "
                f"got {tuple(row.shape)}."
            )
    return rows


def put_rows(buffers: Mapping[str, Tensor], rows: Mapping[str, Tensor], ids: Tensor) -> dict[str, Tensor]:
    """All sets again, those of ``ids`` replaced."""
    where = ids.reshape(-1)
    return {n: b.index_copy(0, where, rows[n].reshape(-1, *b.shape[1:])) for n, b in buffers.items()}


def _forget(layer: nn.Module) -> None:
    assert isinstance(layer, NormBase)
    layer.track_running_stats = False
    for leaf in ("running_mean", "running_var", "num_batches_tracked"):
        setattr(layer, leaf, None)
