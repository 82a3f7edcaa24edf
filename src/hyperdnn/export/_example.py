"""The call of a network that is exported, and the same call with other sizes."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn._torch import tree_flatten, tree_leaves, tree_unflatten
from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.models import HyperDNN
from hyperdnn.typing import Context

__all__ = ["Example", "example_of"]


@final
@dataclass(frozen=True)
class Example:
    """A call.

    Args:
        leaves: its inputs, without the containers that they come in.
        structure: these containers.
        sizes: of each input the dimensions that may have another size, with a name for each.
        context: how many inputs, the last ones, are the context.
    """

    leaves: tuple[Any, ...]
    structure: Any
    sizes: tuple[Mapping[int, str], ...]
    context: int = 0

    @property
    def inputs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional ones, and those by name."""
        args, kwargs = tree_unflatten(self.leaves, self.structure)
        return args, kwargs

    @property
    def names(self) -> list[str]:
        """Of all sizes that may be others."""
        return sorted({name for sizes in self.sizes for name in sizes.values()})

    def call(self, run: Any) -> Any:
        """What a network returns for it."""
        args, kwargs = self.inputs
        with torch.no_grad():
            return run(*args, **kwargs)

    def shapes(self, module: nn.Module, dims: Mapping[str, Any]) -> dict[str, Any]:
        """What varies, as ``torch.export`` wants it: by the names of the forward method's arguments."""
        shapes = [
            {place: dims[name] for place, name in sizes.items()} if isinstance(leaf, Tensor) else None
            for leaf, sizes in zip(self.leaves, self.sizes, strict=True)
        ]
        args, kwargs = tree_unflatten(shapes, self.structure)
        return dict(inspect.signature(module.forward).bind(*args, **kwargs).arguments)

    def input_names(self, module: nn.Module) -> list[str]:
        """A name for each tensor: that of the forward method's argument, with a number where one has several."""
        net = module.target.module if isinstance(module, HyperDNN) else module
        args, kwargs = self.inputs
        positional = inspect.signature(net.forward).bind_partial(*args).arguments
        names: list[str] = []
        for name, value in [*positional.items(), *kwargs.items()]:
            tensors = [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
            names += [name] if len(tensors) == 1 else [f"{name}_{k}" for k in range(len(tensors))]
        return names

    def with_room(self) -> "Example":
        """The same with two of what there is one of: torch takes a size of one for a fixed one."""
        ones = {
            name
            for leaf, sizes in zip(self.leaves, self.sizes, strict=True)
            for place, name in sizes.items()
            if leaf.shape[place] == 1
        }
        return self.doubled(ones)

    def others(self) -> Iterator[tuple[str, "Example"]]:
        """What nothing of the example's own may have been written into the file for, each with a word for it."""
        if self.names:
            yield "twice as many samples", self.doubled(self.names)
            yield "one sample", self._changed(lambda leaf, place, _: leaf.narrow(place, 0, 1))
        if self.context:
            kept = len(self.leaves) - self.context
            yield "another context", replace(self, leaves=(*self.leaves[:kept], *map(_another, self.leaves[kept:])))

    def doubled(self, names: Any) -> "Example":
        """The same with twice as many of some."""
        return self._changed(lambda leaf, place, name: torch.cat([leaf, leaf], place) if name in names else leaf)

    def _changed(self, change: Any) -> "Example":
        leaves = list(self.leaves)
        for k, sizes in enumerate(self.sizes):
            for place, name in sizes.items():
                leaves[k] = change(leaves[k], place, name)
        return replace(self, leaves=tuple(leaves))


def example_of(module: nn.Module, inputs: Any, *, context: Context | None, batch: int | None) -> Example:
    """The call that is exported.

    Args:
        module: a plain network, or a HyperDNN.
        inputs: one tensor, a tuple of positional inputs, or a dict of inputs by name.
        context: of a HyperDNN, one or many.
        batch: dimension of the samples in every input; None if all sizes are fixed.

    Raises:
        ConfigError: if there is no tensor among the inputs, or one without samples.
        ContextError: if a HyperDNN has no context, or a plain network has one.
    """
    args, kwargs = _arguments(inputs)
    if not any(isinstance(leaf, Tensor) for leaf in tree_leaves((args, kwargs))):
        raise ConfigError(f"expected a tensor, a tuple of inputs or a dict of them by name, got {_kind(inputs)}.")
    leading = 0 if context is None else _context_dims(module, context)
    if context is None and isinstance(module, HyperDNN):
        raise ContextError(
            "a HyperDNN is exported with its context as an input: pass an example, context=. For the network of a "
            "single context export model.bake(context)."
        )
    data, structure = tree_flatten((args, kwargs))
    sizes = [_sizes(leaf, leading, batch) for leaf in data]
    if context is None:
        return Example(tuple(data), structure, tuple(sizes))
    given = tree_leaves(context)
    # The context goes last in the call and therefore among the leaves.
    _, structure = tree_flatten((args, {**kwargs, "context": context}))
    sizes += [_sizes(leaf, leading, None) for leaf in given]
    return Example((*data, *given), structure, tuple(sizes), len(given))


def _arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,), {}


def _context_dims(module: nn.Module, context: Context) -> int:
    if not isinstance(module, HyperDNN):
        raise ContextError(f"{type(module).__name__} is no HyperDNN and takes no context: leave context= out.")
    if not all(isinstance(leaf, Tensor) for leaf in tree_leaves(context)):
        raise ContextError(f"a context that is an input is a tensor, or a tree of them, got {_kind(context)}.")
    with torch.no_grad():
        return len(module.target.layout.check(module.generate(context)))


def _sizes(leaf: Any, leading: int, batch: int | None) -> Mapping[int, str]:
    if not isinstance(leaf, Tensor):
        return {}
    names = {k: "contexts" if leading == 1 else f"contexts_{k}" for k in range(leading)}
    if batch is not None:
        names[leading + batch] = "batch"
    if any(not 0 <= place < leaf.ndim or not leaf.shape[place] for place in names):
        raise ConfigError(
            f"batch={batch}: an input of shape {tuple(leaf.shape)} has no samples there. Say which dimension they are, "
            "or batch=None for sizes that are all fixed."
        )
    return names


def _another(context: Tensor) -> Tensor:
    """Another index; or the same numbers in another order, which keeps shares shares and directions directions."""
    if context.is_floating_point():
        return context.flip(-1) if context.ndim else -context
    return (context == 0).to(context.dtype)


def _kind(value: Any) -> str:
    return f"{type(value).__name__}"
