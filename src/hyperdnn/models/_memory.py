"""A hypernet that remembers what it generated."""

from collections import OrderedDict
from functools import partial
from typing import Any, TypeAlias, final
from weakref import ReferenceType, finalize, ref

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from hyperdnn._torch import is_transformed, tree_flatten, tree_unflatten
from hyperdnn.errors import ConfigError
from hyperdnn.layout import ParamLayout
from hyperdnn.models._join import Stack
from hyperdnn.models._mixture import WeightMixture
from hyperdnn.typing import Context, Weights

__all__ = ["Memory"]

_Key: TypeAlias = tuple[object, ...]

_Kept: TypeAlias = tuple[Weights, tuple[int, ...]]
"""Weights of a context, and how often they were written to when they were kept."""


@final
class Memory(nn.Module):
    """Generates the weights of contexts that it has not met, and returns those of the others from a bounded store.

    Contexts are compared by value, each for itself: a batch is put together from what is remembered and what is not.
    Everything is forgotten once a number of the hypernet changes, or a part of it goes from training to evaluation or
    back; only writing through ``parameter.data`` is not seen: call `clear`. Nothing is remembered where gradients are
    wanted, for they could not reach the hypernet, under transforms of functions, or of a hypernet that was made in
    inference mode.

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
        known = getattr(hypernet, "encoder", None)  # how many dimensions it adds is taken into account
        for module in hypernet.modules():
            adds = getattr(module, "adds_contexts", 0) and not getattr(known, "adds_contexts", 0)
            if adds or isinstance(module, Stack | WeightMixture):
                raise ConfigError(
                    f"{type(module).__name__}: one row of its context does not make one set of weights, so weights "
                    "cannot be remembered context by context. Use the model itself."
                )
        self.hypernet = hypernet
        self.max_contexts = max_contexts
        self.generated = 0
        """Contexts whose weights were generated, since the beginning."""
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._tensors: tuple[Tensor, ...] = ()
        self._state: object = None
        self._dims: dict[_Key, int] = {}
        self._watch_optimizers()

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
        if torch.is_grad_enabled() or is_transformed():
            return self._generate(context)
        leaves, tree = tree_flatten(context)
        if not leaves or not all(isinstance(leaf, Tensor) for leaf in leaves):
            return self._generate(context)
        self._forget_if_changed()
        form = (str(tree), *(leaf.ndim for leaf in leaves))
        if form not in self._dims:  # only what comes out tells how many dimensions in front are those of contexts
            added = getattr(getattr(self.hypernet, "encoder", None), "adds_contexts", 0)
            self._dims[form] = len(self.layout.check(self.hypernet(context))) - added
        dims = self._dims[form]
        contexts = leaves[0].shape[:dims]
        rows = [leaf.reshape(contexts.numel(), *leaf.shape[dims:]) for leaf in leaves]
        precision = _precision(rows[0].device.type)
        keys: list[_Key] = [(precision, *(_key(row[i]) for row in rows)) for i in range(contexts.numel())]
        if not keys:
            return self._generate(context)
        found = self._find(keys, rows, tree)
        if not dims:
            return dict(found[keys[0]])
        stacked = {name: torch.stack([found[key][name] for key in keys]) for name in self.layout.names}
        return {name: tensor.reshape(*contexts, *tensor.shape[1:]) for name, tensor in stacked.items()}

    def _find(self, keys: list[_Key], rows: list[Tensor], tree: Any) -> dict[_Key, Weights]:
        """The weights of each context, remembered or generated in one batch."""
        kept = {key: self._kept.get(key) for key in keys}
        # Those of a single context are handed out as they are kept, and somebody may have written to them.
        found = {key: one[0] for key, one in kept.items() if one is not None and _versions(one[0]) == one[1]}
        missing = {key: row for row, key in enumerate(keys) if key not in found}
        if missing:
            where = torch.tensor(list(missing.values()), device=rows[0].device)
            weights = self._generate(tree_unflatten([row[where] for row in rows], tree))
            # Copies, so that no context keeps the batch that it came in; of tensors that count who writes to them.
            with torch.inference_mode(mode=False), torch.no_grad():
                for number, key in enumerate(missing):
                    found[key] = {name: w[number].clone() for name, w in weights.items()}
            self.generated += len(missing)
        for key in keys:
            self._kept.pop(key, None)
            self._kept[key] = found[key], _versions(found[key])  # behind all others
        while len(self._kept) > self.max_contexts:
            self._kept.popitem(last=False)
        return found

    def _generate(self, context: Context) -> Weights:
        weights: Weights = self.hypernet(context)
        return weights

    def _forget_if_changed(self) -> None:
        tensors, state = _state(self.hypernet)
        if state != self._state:
            self.clear()
            self._state = state
            self._tensors = tensors  # held, so that no other tensor gets the identity of one of them

    def _watch_optimizers(self) -> None:
        """Forget after an optimiser's step: torch's fused ones write without counting it."""
        finalize(self, register_optimizer_step_post_hook(partial(_after_step, ref(self))).remove)

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: not what is remembered."""
        return {**self.__dict__, "_kept": OrderedDict(), "_tensors": (), "_state": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._watch_optimizers()


def _key(row: Tensor) -> tuple[object, ...]:
    """A context by value."""
    return row.dtype, row.shape, row.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _precision(device: str) -> tuple[object, ...]:
    """What autocast does: the same context has other weights under it."""
    return (torch.get_autocast_dtype(device),) if torch.is_autocast_enabled(device) else ()


def _versions(weights: Weights) -> tuple[int, ...]:
    return tuple(tensor._version for tensor in weights.values())


def _state(module: nn.Module) -> tuple[tuple[Tensor, ...], tuple[object, ...]]:
    """All parameters and buffers, and what changes when one is written to or replaced."""
    tensors = (*module.parameters(), *module.buffers())
    # Nobody counts who writes to a tensor that was made in inference mode.
    versions = (object() if t.is_inference() else t._version for t in tensors)
    seen = ((id(t), t.data_ptr(), version) for t, version in zip(tensors, versions, strict=True))
    return tensors, (*seen, *(m.training for m in module.modules()))


def _after_step(memory: "ReferenceType[Memory]", optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    found = memory()
    if found is not None and found._kept:
        ours = set(map(id, found.hypernet.parameters()))
        if any(id(parameter) in ours for group in optimizer.param_groups for parameter in group["params"]):
            found.clear()
