"""Somebody's module, run with weights from outside."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn.errors import BatchingError, ContextError
from hyperdnn.layout import Architecture, ParamLayout, Selector, as_selectors
from hyperdnn.nn import Grown
from hyperdnn.protocols import Combine
from hyperdnn.targets._bake import bake
from hyperdnn.targets._base import BaseWeights, assemble, layout_of, parts_of
from hyperdnn.targets._buffers import (
    Policy,
    apply_policy,
    check_ids,
    check_rows,
    enforce_policy,
    initial_buffers,
    pools,
    put_rows,
)
from hyperdnn.targets._call import (
    Dims,
    Inputs,
    Mode,
    Randomness,
    attention_without_fast_path,
    call_many,
    call_once,
    has_fast_path,
)
from hyperdnn.targets._combine import Replace
from hyperdnn.targets._data import DataDims, add_batch_of_one, dims_of_many, remove_batch_of_one
from hyperdnn.targets._grouped import call_grouped
from hyperdnn.targets._of import copied
from hyperdnn.targets._places import check_fresh, check_untouched, names_for_calls, places, take_away
from hyperdnn.targets._resize import longer, resize
from hyperdnn.targets._swap import check_recurrent, swap_layers
from hyperdnn.typing import Weights

__all__ = ["Target"]


@final
class Target(nn.Module):
    """Takes over a module and runs it with generated weights.

    The generated parameters leave the module: ``parameters()`` and ``state_dict()`` hold only what is really trained.
    The others stay, trained or frozen as they were. Which sample meets which context is said by the verb:
    ``target(weights, x)`` for one context, `batched`, `paired` and `grouped` for many. All four agree with a loop.

    Args:
        module: any module. It belongs to the target from now on.
        select: which parameters are generated: a glob, layer type or predicate, or several of them (their union).
        combine: how generated and base tensors make a parameter.
        buffers: whose the running statistics of normalisation layers are; needed if there are any.
        train_base: train the base weights of a combine that has them; otherwise they are frozen.

    Raises:
        LayoutError: if nothing is selected or the module has no parameters.
        BufferPolicyError: for running statistics without a policy.
    """

    def __init__(
        self,
        module: nn.Module,
        select: Selector | Sequence[Selector] = "*",
        *,
        combine: Combine | None = None,
        buffers: Policy | None = None,
        train_base: bool = False,
    ) -> None:
        super().__init__()
        self.combine: Combine = combine or Replace()
        self.buffers_policy = buffers
        self.train_base = train_base
        check_fresh(module, Target)
        self.replaced = ParamLayout.of(module, *as_selectors(select))  # what is taken away
        self._parts = parts_of(self.combine, self.replaced)
        self.layout = layout_of(self._parts)  # what is generated for it
        check_recurrent(module, self.replaced)
        before = list(places(module, self.replaced))
        self.module = swap_layers(apply_policy(module, buffers))
        self.base = BaseWeights(self.module, self.replaced, trained=train_base) if self.combine.needs_base else None
        self._attention = has_fast_path(self.module)
        take_away([*before, *places(self.module, self.replaced)])
        self._names = names_for_calls(self.module, self.replaced)

    @classmethod
    def of(
        cls, architecture: Architecture, *, combine: Combine | None = None, buffers: Policy | None = None
    ) -> "Target":
        """A target that runs a copy of an architecture's network, so that the architecture can be used again.

        What a combine needs is generated from ``architecture.generating(combine.specs)``.

        Raises:
            ConfigError: for what is no architecture.
            LayoutError: if it is on the meta device with values that are neither generated nor running statistics.
        """
        return cls(*copied(architecture, combine), combine=combine, buffers=buffers)

    def forward(self, weights: Weights, *args: Any, **kwargs: Any) -> Any:
        """Run the module with the weights of one context, on data as the module takes it.

        Raises:
            BatchingError: if the weights have context dimensions.
        """
        contexts, effective = self._prepare(weights)
        if contexts:
            raise BatchingError(f"weights are of {tuple(contexts)} contexts: use batched, paired or grouped.")
        return self._once(effective, (args, kwargs))

    def batched(
        self,
        weights: Weights,
        *args: Any,
        data_dims: DataDims = 0,
        randomness: Randomness = "different",
        mode: Mode = "vmap",
        **kwargs: Any,
    ) -> Any:
        """Run many contexts, each on its own batch.

        Args:
            weights: ``(*contexts, *shape)``.
            args: tensors ``(*contexts, n, ...)``, or trees of them.
            data_dims: 0 if the data has the context dimension, None if all contexts share the data; one entry for
                each context dimension where they differ.
            randomness: dropout ``"different"`` or the ``"same"`` in every context.
            mode: ``"loop"`` runs one context after the other, for operators that cannot be mapped.
            kwargs: as ``args``.

        Returns:
            What the module returns, each tensor ``(*contexts, n, ...)``.

        Raises:
            ContextError: if the data does not begin with the context dimensions.
            BatchingError: if the weights have no context dimension, or an operator cannot be mapped.
        """
        contexts, effective = self._prepare(weights)
        dims = dims_of_many(contexts, data_dims, (args, kwargs), "batched")
        return self._call(effective, (args, kwargs), dims, randomness=randomness, mode=mode)

    def paired(
        self,
        weights: Weights,
        *args: Any,
        data_dims: DataDims = 0,
        randomness: Randomness = "different",
        mode: Mode = "vmap",
        **kwargs: Any,
    ) -> Any:
        """Run one sample for each context: the module sees a batch of one, which is removed again.

        Args:
            weights: ``(*contexts, *shape)``.
            args: tensors ``(*contexts, ...)`` without a batch dimension, or trees of them.
            data_dims: as for `batched`.
            randomness: as for `batched`.
            mode: as for `batched`.
            kwargs: as ``args``.

        Returns:
            What the module returns, each tensor ``(*contexts, ...)``.

        Raises:
            ContextError: if the data does not begin with the context dimensions.
            BatchingError: as for `batched`, or if an output does not have its batch in front.
            BufferPolicyError: under ``buffers="batch"``, if that leaves one value for a channel.
        """
        contexts, effective = self._prepare(weights)
        dims = dims_of_many(contexts, data_dims, (args, kwargs), "paired")
        inputs = add_batch_of_one((args, kwargs), dims)
        return remove_batch_of_one(self._call(effective, inputs, dims, randomness=randomness, mode=mode), contexts)

    def grouped(
        self,
        weights: Weights,
        *args: Any,
        index: Tensor | None = None,
        randomness: Randomness = "different",
        mode: Mode = "vmap",
        **kwargs: Any,
    ) -> Any:
        """Run a mixed batch, in which each sample names its context.

        Args:
            weights: ``(K, *shape)``.
            args: tensors ``(B, ...)``, or trees of them.
            index: ``(B,)`` integers from 0 to K - 1; by keyword, or as the last positional argument.
            randomness: as for `batched`.
            mode: as for `batched`.
            kwargs: as ``args``.

        Returns:
            What the module returns, each tensor ``(B, ...)``, in the order given.

        Raises:
            ContextError: if the index does not fit.
            BatchingError: as for `paired`.
        """
        if index is None:
            *args, index = args or [None]  # type: ignore[assignment]  # target.grouped(weights, x, index)
        contexts, effective = self._prepare(weights)
        if len(contexts) != 1:
            raise BatchingError(f"grouped takes weights with one context dimension, got {tuple(contexts)}.")
        run = partial(self._call, dims=(0,), randomness=randomness, mode=mode)
        return call_grouped(run, effective, (tuple(args), kwargs), index, together=pools(self.module))

    def with_buffers(
        self, weights: Weights, x: Any, buffers: Mapping[str, Tensor], ids: Tensor, **kwargs: Any
    ) -> tuple[Any, dict[str, Tensor]]:
        """Run with each context's own running statistics (``buffers="per_context"``).

        Args:
            weights: ``(*shape)`` or ``(B, *shape)``.
            x: the module's input, as for the call or for `batched`.
            buffers: name -> ``(sets, *shape)``, from `initial_buffers` or the last call.
            ids: which set belongs to which context: ``()`` or ``(B,)``.
            kwargs: more inputs.

        Returns:
            The output, and the statistics with these contexts' sets updated.

        Raises:
            BufferPolicyError: under another policy.
            ContextError: if the ids do not fit.
        """
        contexts, effective = self._prepare(weights, own_buffers=True)
        check_ids(self.buffers_policy, buffers, self.initial_buffers(0), ids, contexts)
        ids = ids.long()
        rows = {n: b[ids].clone() for n, b in buffers.items()}  # the module updates them in place
        full, inputs = {**effective, **rows}, ((x,), kwargs)
        if not contexts:
            return self._once(full, inputs), put_rows(buffers, rows, ids)
        output = self._call(full, inputs, dims_of_many(contexts, 0, inputs, "batched"))
        return output, put_rows(buffers, rows, ids)

    def bake(self, weights: Weights, *, buffers: Mapping[str, Tensor] | None = None) -> nn.Module:
        """One context's network as a plain module of the class that was taken over.

        Of hyperdnn only models that stand in it as layers are left; changing it does not change the target.

        Args:
            weights: of a single context.
            buffers: that context's running statistics, under ``buffers="per_context"``.

        Raises:
            ContextError: if the weights have context dimensions.
            BufferPolicyError: if running statistics are missing, or not wanted.
        """
        contexts, effective = self._prepare(weights, own_buffers=True)
        if contexts:
            raise ContextError(f"bake makes one network, got weights of {tuple(contexts)} contexts: index one of them.")
        own = self.initial_buffers(0) if self.buffers_policy == "per_context" else {}
        return bake(self.module, self.replaced, effective, check_rows(buffers or {}, own), Target)

    def initial_buffers(self, contexts: int) -> dict[str, Tensor]:
        """Running statistics for ``contexts`` contexts, as the module came with: name -> ``(contexts, *shape)``."""
        return initial_buffers(self.module, contexts)

    def resized(self, name: str, rows: int) -> ParamLayout:
        """What would be generated if a layer had more output rows; nothing is changed (see `HyperDNN.resize`)."""
        return layout_of(parts_of(self.combine, longer(self.module, self.replaced, name, rows)))

    def resize(self, name: str, rows: int) -> list[Grown]:
        """Give a layer more output rows, and say which parameters that replaced (see `HyperDNN.resize`)."""
        return resize(self, name, rows)

    def effective(self, weights: Weights) -> Weights:
        """The module's parameters that generated weights make: combined with the base, under every alias."""
        self.layout.check(weights)
        return assemble(self.combine, self._parts, weights, self.base, {s.name: s.names for s in self.replaced})

    def _prepare(self, weights: Weights, *, own_buffers: bool = False) -> tuple[torch.Size, Weights]:
        contexts = self.layout.check(weights)
        enforce_policy(self.module, self.buffers_policy, own_buffers=own_buffers)
        if not torch.compiler.is_compiling():
            check_untouched(self.module, self.replaced)
        return contexts, assemble(self.combine, self._parts, weights, self.base, self._names)

    def _once(self, weights: Weights, inputs: Inputs) -> Any:
        with attention_without_fast_path(needed=self._attention):
            return call_once(self.module, weights, inputs)

    def _call(
        self, weights: Weights, inputs: Inputs, dims: Dims, *, randomness: Randomness = "different", mode: Mode = "vmap"
    ) -> Any:
        with attention_without_fast_path(needed=self._attention):
            return call_many(self.module, weights, inputs, dims, randomness=randomness, mode=mode)
