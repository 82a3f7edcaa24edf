"""Many contexts, a portion at a time."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hyperdnn._torch import tree_leaves, tree_map
from hyperdnn.errors import BufferPolicyError, ConfigError, ContextError
from hyperdnn.models._footprint import contexts_that_fit
from hyperdnn.models._hyperdnn import HyperDNN
from hyperdnn.typing import Context

__all__ = ["Portioned"]


@final
class Portioned(nn.Module):
    """A model that generates and runs at most so many contexts at a time, where memory would not hold all of them.

    The verbs are those of the model, for contexts with their dimension in front, and the results are the same. Where
    gradients are wanted each portion is checkpointed: the backward generates and runs it once more, so that the weights
    and activations of one portion only exist at any time, at the price of a second forward.

    Args:
        model: to run; shared, not copied.
        max_contexts: contexts in a portion, along the first context dimension; ``"auto"`` for as many as fit into half
            of the memory that is free, by what one context was measured to need. The measurement runs one context once
            more, and only where a rough estimate says that memory might matter.

    Raises:
        ConfigError: for portions of less than one context.
        BufferPolicyError: under ``buffers="shared"``, which pools statistics over all contexts.
    """

    def __init__(self, model: HyperDNN, *, max_contexts: int | str) -> None:
        super().__init__()
        if max_contexts != "auto" and (isinstance(max_contexts, str) or max_contexts < 1):
            raise ConfigError(f"max_contexts={max_contexts!r}: expected 1 or more, or 'auto'.")
        if model.target.buffers_policy == "shared":
            raise BufferPolicyError('buffers="shared" pools statistics over all contexts: run them at once.')
        self.model = model
        self.max_contexts = max_contexts

    def forward(
        self, *args: Any, context: Context, data_dims: int | Sequence[int | None] | None = 0, **kwargs: Any
    ) -> Any:
        return self._run(partial(self.model, data_dims=data_dims), context, (args, kwargs), data_dims)

    def paired(
        self, *args: Any, context: Context, data_dims: int | Sequence[int | None] | None = 0, **kwargs: Any
    ) -> Any:
        """As `HyperDNN.paired`."""
        return self._run(partial(self.model.paired, data_dims=data_dims), context, (args, kwargs), data_dims)

    def grouped(self, *args: Any, context: Context, index: Tensor, **kwargs: Any) -> Any:
        """As `HyperDNN.grouped`, with the distinct contexts and an index.

        Raises:
            ContextError: for an index beyond the contexts.
        """
        number = _number(context)
        beyond = index[(index < 0) | (index >= number)]
        if len(beyond):  # no portion would run it
            raise ContextError(f"index {beyond[0].item()}: there are contexts 0 to {number - 1}.")
        size = self._size(number, context, _rows((args, kwargs), 0, 1), self.model.paired)
        where, outputs = [], []
        for start in range(0, max(number, 1), size):
            inside = ((index >= start) & (index < start + size)).nonzero().squeeze(1)
            if len(inside) or not len(index):
                part, inputs = _rows(context, start, size), tree_map(partial(_picked, at=inside), (args, kwargs))
                call = partial(self.model.grouped, index=index[inside] - start)
                outputs.append(_checkpointed(call, part, inputs))
                where.append(inside)
        order = torch.argsort(torch.cat(where))
        return tree_map(lambda *parts: torch.cat(parts)[order] if _tensor(parts[0]) else parts[0], *outputs)

    def _run(self, verb: Callable[..., Any], context: Context, inputs: Any, data_dims: Any) -> Any:
        number = _number(context)
        first = data_dims if data_dims is None or isinstance(data_dims, int) else next(iter(data_dims), 0)

        def cut(start: int, size: int) -> Any:
            return _rows(inputs, start, size) if first == 0 else inputs

        size = self._size(number, context, cut(0, 1), verb)
        if number <= size:
            args, kwargs = inputs
            return verb(*args, context=context, **kwargs)
        outputs = [
            _checkpointed(verb, _rows(context, start, size), cut(start, size)) for start in range(0, number, size)
        ]
        return tree_map(lambda *parts: torch.cat(parts) if _tensor(parts[0]) else parts[0], *outputs)

    def _size(self, number: int, context: Context, one: Any, verb: Callable[..., Any]) -> int:
        """Contexts in a portion; ``one`` are the inputs of the first context."""
        if not isinstance(self.max_contexts, str):
            return self.max_contexts
        args, kwargs = one

        def run_one() -> Any:
            return verb(*args, context=_rows(context, 0, 1), **kwargs)

        device = next((leaf.device for leaf in tree_leaves((context, one)) if _tensor(leaf)), torch.device("cpu"))
        return contexts_that_fit(self.model, number, run_one, device)


def _checkpointed(verb: Callable[..., Any], context: Context, inputs: Any) -> Any:
    args, kwargs = inputs
    call = partial(verb, *args, context=context, **kwargs)
    return checkpoint(call, use_reentrant=False) if torch.is_grad_enabled() else call()


def _number(context: Context) -> int:
    sizes = {leaf.shape[0] if leaf.ndim else -1 for leaf in tree_leaves(context) if isinstance(leaf, Tensor)}
    if len(sizes) != 1 or -1 in sizes:
        shapes = [tuple(leaf.shape) for leaf in tree_leaves(context) if isinstance(leaf, Tensor)]
        raise ContextError(
            f"Portioned cuts the first dimension of a context's tensors, which must be that of the contexts, got "
            f"{shapes}. For a single context call the model itself."
        )
    return sizes.pop()


def _rows(tree: Any, start: int, size: int) -> Any:
    return tree_map(lambda leaf: leaf[start : start + size] if _tensor(leaf) else leaf, tree)


def _picked(leaf: Any, at: Tensor) -> Any:
    return leaf[at] if _tensor(leaf) else leaf


def _tensor(leaf: Any) -> bool:
    return isinstance(leaf, Tensor)
