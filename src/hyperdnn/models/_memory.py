"""A hypernet that remembers what it generated."""

from collections import OrderedDict
from typing import Any, TypeAlias, final

import torch
from torch import Tensor, nn

from hyperdnn._torch import tree_flatten, tree_unflatten
from hyperdnn.errors import ConfigError
from hyperdnn.layout import ParamLayout
from hyperdnn.models._join import Stack
from hyperdnn.models._mixture import WeightMixture
from hyperdnn.typing import Context, Weights

__all__ = ["Memory"]

_Key: TypeAlias = tuple[object, ...]


@final
class Memory(nn.Module):
    """Generates the weights of contexts that it has not met, and returns those of the others from a bounded store.

    Contexts are compared by value, each for itself: a batch is put together from what is remembered and what is not.
    Everything is forgotten once a number of the hypernet changes, or a part of it goes from training to evaluation or
    back; only writing through ``parameter.data`` is not seen: call `clear`. Where gradients are wanted nothing is
    remembered, for they could not reach the hypernet.

    Args:
        hypernet: context -> weights; whether it is random is not seen, so what it drew first stays.
        max_contexts: how many contexts are kept, those used last.

    Raises:
        ConfigError: for room for less than one context, or a hypernet in which a row of the context does not make one
            set of weights.
    """

    hypernet: Any

    def __init__(self, hypernet: nn.Module, max_contexts: int) -> None:
        super().__init__()
        if max_contexts < 1:
            raise ConfigError(f"max_contexts={max_contexts}: expected room for at least one context.")
        for module in hypernet.modules():
            if isinstance(module, Stack | WeightMixture) or getattr(module, "adds_contexts", False):
                raise ConfigError(
                    f"{type(module).__name__}: one row of its context does not make one set of weights, so weights "
                    "cannot be remembered context by context. Use the model itself."
                )
        self.hypernet = hypernet
        self.max_contexts = max_contexts
        self.generated = 0
        """Contexts whose weights were generated, since the beginning."""
        self._kept: OrderedDict[_Key, Weights] = OrderedDict()
        self._state: object = None
        self._dims: dict[_Key, int] = {}

    @property
    def layout(self) -> ParamLayout:
        """What is generated."""
        layout = self.hypernet.layout
        assert isinstance(layout, ParamLayout)
        return layout

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def forward(self, context: Context) -> Weights:
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self._generate(context)
        leaves, tree = tree_flatten(context)
        if not leaves or not all(isinstance(leaf, Tensor) for leaf in leaves):
            return self._generate(context)
        self._forget_if_changed()
        form = (str(tree), *(leaf.ndim for leaf in leaves))
        if form not in self._dims:  # only what comes out tells how many dimensions in front are those of contexts
            self._dims[form] = len(self.layout.check(self.hypernet(context)))
        dims = self._dims[form]
        contexts = leaves[0].shape[:dims]
        rows = [leaf.reshape(contexts.numel(), *leaf.shape[dims:]) for leaf in leaves]
        keys: list[_Key] = [tuple(_key(row[i]) for row in rows) for i in range(contexts.numel())]
        if not keys:
            return self._generate(context)
        found = self._find(keys, rows, tree)
        if not dims:
            return dict(found[keys[0]])
        return {
            spec.name: torch.stack([found[key][spec.name] for key in keys]).reshape(*contexts, *spec.shape)
            for spec in self.layout
        }

    def _find(self, keys: list[_Key], rows: list[Tensor], tree: Any) -> dict[_Key, Weights]:
        """The weights of each context, remembered or generated in one batch."""
        found = {key: self._kept[key] for key in keys if key in self._kept}
        missing = {key: row for row, key in enumerate(keys) if key not in found}
        if missing:
            where = torch.tensor(list(missing.values()), device=rows[0].device)
            weights = self._generate(tree_unflatten([row[where] for row in rows], tree))
            for number, key in enumerate(missing):  # copies, so that no context keeps the batch that it came in
                found[key] = {name: w[number].clone() for name, w in weights.items()}
            self.generated += len(missing)
        for key in keys:
            self._kept[key] = found[key]
            self._kept.move_to_end(key)
        while len(self._kept) > self.max_contexts:
            self._kept.popitem(last=False)
        return found

    def _generate(self, context: Context) -> Weights:
        weights: Weights = self.hypernet(context)
        return weights

    def _forget_if_changed(self) -> None:
        state = _state(self.hypernet)
        if state != self._state:
            self.clear()
            self._state = state

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: not what is remembered."""
        return {**self.__dict__, "_kept": OrderedDict()}


def _key(row: Tensor) -> tuple[object, ...]:
    """A context by value."""
    return row.dtype, row.shape, row.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _state(module: nn.Module) -> tuple[object, ...]:
    """Changes with every parameter and buffer that is written to or replaced."""
    tensors = (*module.parameters(), *module.buffers())
    return (*((id(t), t._version, t.data_ptr()) for t in tensors), *(m.training for m in module.modules()))
