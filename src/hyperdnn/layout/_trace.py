"""A module's operations, by running it once on symbols."""

import copy
import inspect
from collections.abc import Callable, Collection
from pathlib import Path
from traceback import extract_tb
from typing import Any, final

import torch
from torch import fx, nn
from torch.fx.node import Argument

from hyperdnn.errors import ConfigError, LayoutError

__all__ = ["trace"]

_LEAVES = ("torch.nn.", "torch.ao.nn.", "hyperdnn.nn.", "hyperdnn.models.", "hyperdnn.targets.")


def trace(module: nn.Module, leaves: Collection[type[nn.Module]]) -> fx.Graph:
    """The operations of a module, called with the arguments that it must have; optional ones keep their defaults.

    The module stays as it is: a copy runs, which shares its tensors.

    Args:
        module: to be run on symbols.
        leaves: classes of modules that are one operation, beside those of torch and hyperdnn.

    Raises:
        ConfigError: for leaves that are no classes.
        LayoutError: naming the module and the line that cannot be followed.
    """
    if not isinstance(leaves, Collection) or not all(isinstance(leaf, type) for leaf in leaves):
        raise ConfigError(f"leaves: expected classes of modules, such as leaves=(MyBlock,), got {leaves!r}.")
    tensors = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    root = copy.deepcopy(module, tensors)  # what is in the memo is not copied
    tracer = _Tracer(tuple(leaves))
    if tracer.is_leaf_module(root, ""):
        return _single(root)
    try:
        return tracer.trace(root)
    except Exception as error:
        raise LayoutError(_untraceable(root, tracer.inside, error)) from error


@final
class _Tracer(fx.Tracer):
    """Remembers where it is, and passes no optional argument."""

    def __init__(self, leaves: tuple[type[nn.Module], ...]) -> None:
        super().__init__()
        self.leaves = leaves
        self.inside = ""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, self.leaves):
            return True
        return type(m).__module__.startswith(_LEAVES) and not isinstance(m, nn.Sequential)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        outside, self.inside = self.inside, self.path_of_module(m)
        result = super().call_module(m, forward, args, kwargs)
        self.inside = outside  # after an error it stays where it was
        return result

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        positional, named = _required(self.root)
        symbols = [self.create_proxy("placeholder", name, (), {}) for name in (*positional, *named)]

        def call(root: nn.Module, *inputs: Any) -> Any:
            keywords = dict(zip(named, inputs[len(positional) :], strict=True))
            return root_fn(root, *inputs[: len(positional)], **keywords)

        return call, [self.root, *symbols]


def _required(module: nn.Module) -> tuple[list[str], list[str]]:
    """Names of the arguments that ``forward`` must have, by position and by keyword."""
    parameters = inspect.signature(module.forward).parameters.values()
    empty = [p for p in parameters if p.default is p.empty]
    positional = [p.name for p in empty if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = [p.name for p in empty if p.kind is p.KEYWORD_ONLY]
    if not positional and not named:  # forward(*inputs), forward(x=None), or forward(*, x=None)
        first = [p for p in parameters if p.kind is not p.VAR_KEYWORD][:1]
        positional = [p.name for p in first if p.kind is not p.KEYWORD_ONLY]
        named = [p.name for p in first if p.kind is p.KEYWORD_ONLY]
    return positional, named


def _single(root: nn.Module) -> fx.Graph:
    graph = fx.Graph()
    positional, named = _required(root)
    inputs = tuple(graph.placeholder(name) for name in positional)
    keywords: dict[str, Argument] = {name: graph.placeholder(name) for name in named}
    graph.output(graph.create_node("call_module", "", inputs, keywords))
    return graph


def _untraceable(root: nn.Module, inside: str, error: Exception) -> str:
    """What could not be followed, where, and the way out."""
    text = str(error).partition("\n")[0]
    if not inside:
        return (
            f"{type(root).__name__} cannot be traced: {_line(error)}{text}. Put what depends on the values or sizes of "
            "tensors into a module of its own class C and pass leaves=(C,): then it is one operation."
        )
    name = type(root.get_submodule(inside)).__name__
    return (
        f"{type(root).__name__} cannot be traced: in '{inside}' ({name}), {_line(error)}{text}. "
        f"Pass leaves=({name},): then it is one operation."
    )


def _line(error: Exception) -> str:
    """The last line of the user's own code that ran before an error."""
    ours = (str(Path(torch.__file__).parent), str(Path(__file__).parent))
    for frame in reversed(extract_tb(error.__traceback__)):
        if not frame.filename.startswith(ours) and frame.line:
            return f"{Path(frame.filename).name} line {frame.lineno}, '{frame.line}': "
    return ""
