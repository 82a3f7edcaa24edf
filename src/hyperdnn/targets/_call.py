"""Run a module with weights: once, mapped over contexts, or in a loop."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.backends import mha as attention
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from hyperdnn._torch import tree_flatten, tree_map, tree_unflatten, vmap_without_fallback
from hyperdnn.errors import BatchingError, BufferPolicyError, nearest
from hyperdnn.targets._buffers import pools
from hyperdnn.targets._refusals import buffers_intact, explained
from hyperdnn.typing import Weights

__all__ = [
    "Dims",
    "Inputs",
    "Mode",
    "Randomness",
    "attention_without_fast_path",
    "call_many",
    "call_once",
    "check_leaves",
    "has_fast_path",
]

Inputs: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments of the module."""

Dims: TypeAlias = tuple[int | None, ...]
"""For each context dimension 0, or None if the inputs do not have it."""

Mode: TypeAlias = Literal["vmap", "loop"]
Randomness: TypeAlias = Literal["different", "same", "error"]

_MAPPED = object()  # stands for a tensor among outputs that go around vmap


def check_leaves(leaves: Iterable[Any], what: str) -> None:
    """Verify that no object hides tensors, which then cannot be divided among contexts or joined again.

    Raises:
        BatchingError: naming its class.
    """
    for leaf in leaves:
        if isinstance(leaf, Tensor | nn.Module) or torch.compiler.is_compiling():
            continue
        if _hides_tensors(getattr(leaf, "__dict__", {}), set()):
            raise BatchingError(
                f"a {type(leaf).__name__} was {what}, in which tensors cannot be told apart by context. Use a tuple or "
                "a dict, or register the class as a pytree of torch; a network of transformers takes use_cache=False."
            )


def _hides_tensors(value: Any, seen: set[int]) -> bool:
    """Whether there is a tensor in what an object holds, however deep."""
    if isinstance(value, Tensor):
        return True
    if id(value) in seen or isinstance(value, nn.Module | type):
        return False
    seen.add(id(value))
    if isinstance(value, Mapping):
        return any(_hides_tensors(inner, seen) for inner in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return any(_hides_tensors(inner, seen) for inner in value)
    return _hides_tensors(vars(value), seen) if hasattr(value, "__dict__") and not callable(value) else False


def check_options(randomness: str, mode: str) -> None:
    """Verify two options that torch would ignore or answer late.

    Raises:
        BatchingError: naming the option and what it may be.
    """
    for name, value, kind in (("randomness", randomness, Randomness), ("mode", mode, Mode)):
        if value not in get_args(kind):
            raise BatchingError(f"{name}='{value}' is unknown.{nearest(value, get_args(kind))}")


def call_once(module: nn.Module, weights: Weights, inputs: Inputs) -> Any:
    """The module's output with these weights, of a single context."""
    args, kwargs = inputs
    try:
        return functional_call(module, weights, args, kwargs, tie_weights=False)
    except ValueError as error:
        if "more than 1 value per channel" in str(error):  # torch says it in a plain ValueError
            raise BufferPolicyError(
                "batch normalisation would normalise one value for each channel by itself. "
                'Use batched with larger batches, or buffers="frozen", "shared" or "per_context".'
            ) from error
        raise


def call_many(
    module: nn.Module,
    weights: Weights,
    inputs: Inputs,
    dims: Dims,
    *,
    randomness: Randomness = "different",
    mode: Mode = "vmap",
) -> Any:
    """The module's outputs for many contexts, or for none.

    Args:
        module: run with each context's weights.
        weights: with all context dimensions in front.
        inputs: with those context dimensions in front that have a 0 in ``dims``.
        dims: for each context dimension 0, or None if the inputs do not have it.
        randomness: as for ``torch.vmap``.
        mode: ``"vmap"``, or ``"loop"`` for one context after the other.

    Raises:
        BatchingError: for an unknown option, or if an operator cannot be mapped.
        BufferPolicyError: for a loop where statistics are pooled over contexts.
    """
    check_options(randomness, mode)
    contexts = next(iter(weights.values())).shape[: len(dims)]
    if 0 in contexts:  # their product would fix the number of contexts in an exported program
        return call_empty(module, weights, inputs, dims, contexts)
    if mode == "loop":
        return call_loop(module, weights, inputs, dims, contexts, randomness)
    return call_mapped(module, weights, inputs, dims, randomness)


def call_mapped(module: nn.Module, weights: Weights, inputs: Inputs, dims: Dims, randomness: Randomness) -> Any:
    """Map the module over the context dimensions of the weights, outermost first.

    Args:
        module: run with each context's weights.
        weights: with all context dimensions in front.
        inputs: with those context dimensions in front that have a 0 in ``dims``.
        dims: for each context dimension 0, or None if the inputs do not have it.
        randomness: as for ``torch.vmap``.

    Raises:
        BatchingError: if an operator cannot be mapped, naming it.
    """
    around: list[Any] = []

    def call(weights: Weights, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
        # vmap passes tensors only: what else the module returns (None, numbers) goes around it.
        leaves, spec = tree_flatten(call_once(module, weights, (args, kwargs)))
        check_leaves(leaves, "returned")
        around[:] = [spec, [_MAPPED if isinstance(leaf, Tensor) else leaf for leaf in leaves]]
        return [leaf for leaf in leaves if isinstance(leaf, Tensor)]

    mapped: Callable[..., list[Tensor]] = call
    for dim in reversed(dims):
        where = tree_map(lambda leaf, dim=dim: dim if isinstance(leaf, Tensor) else None, inputs)
        mapped = torch.vmap(mapped, in_dims=(0, *where), randomness=randomness)
    # Attention's fused kernels have no batching rule everywhere; the plain formula has.
    with explained(), buffers_intact(module), vmap_without_fallback(), sdpa_kernel(SDPBackend.MATH):
        tensors = iter(mapped(weights, *inputs))
    spec, leaves = around
    return tree_unflatten([next(tensors) if leaf is _MAPPED else leaf for leaf in leaves], spec)


def call_loop(
    module: nn.Module, weights: Weights, inputs: Inputs, dims: Dims, contexts: torch.Size, randomness: Randomness
) -> Any:
    """The same as `call_mapped`, one context after the other.

    Raises:
        BufferPolicyError: if statistics are pooled over contexts, which never meet here.
    """
    if pools(module):
        raise BufferPolicyError('buffers="shared" pools statistics over contexts: mode="loop" cannot.')
    outputs = []
    start = _random_states() if randomness == "same" else None
    for where in torch.cartesian_prod(*map(torch.arange, contexts)).reshape(-1, len(contexts)).tolist():
        here = tuple(i for i, dim in zip(where, dims, strict=True) if dim is not None)
        picked = tree_map(lambda leaf, here=here: leaf[here] if isinstance(leaf, Tensor) else leaf, inputs)
        if start is not None:
            _set_random_states(start)
        outputs.append(call_once(module, {n: w[tuple(where)] for n, w in weights.items()}, picked))

    def stack(*leaves: Any) -> Any:
        check_leaves(leaves, "returned")
        if not isinstance(leaves[0], Tensor) and any(leaf != leaves[0] for leaf in leaves):
            raise BatchingError(f"the module returned {leaves[0]!r} in one context and something else in another.")
        return torch.stack(leaves).reshape(contexts + leaves[0].shape) if isinstance(leaves[0], Tensor) else leaves[0]

    return tree_map(stack, *outputs)


def _random_states() -> tuple[Tensor, list[Tensor]]:
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []


def _set_random_states(states: tuple[Tensor, list[Tensor]]) -> None:
    torch.set_rng_state(states[0])
    for device, state in enumerate(states[1]):
        torch.cuda.set_rng_state(state, device)


def call_empty(module: nn.Module, weights: Weights, inputs: Inputs, dims: Dims, contexts: torch.Size) -> Any:
    """The output for no context at all: empty, of the right shape and type, and connected, so that gradients are zero.

    Only running the module tells the shape, so it runs once, on zeros and with copies of its buffers.
    """
    given = sum(dim is not None for dim in dims)

    def zeros(leaf: Any) -> Any:
        return leaf.new_zeros(leaf.shape[given:]) if isinstance(leaf, Tensor) else leaf

    example: dict[str, Tensor] = {n: w.new_zeros(w.shape[len(contexts) :]) for n, w in weights.items()}
    example |= {name: buffer.clone() for name, buffer in module.named_buffers()}
    with torch.no_grad():
        output = call_once(module, example, tree_map(zeros, inputs))
    nothing = torch.stack([w.sum() for w in weights.values()]).sum()

    def empty(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        none = leaf.new_zeros(contexts + leaf.shape)
        return none + nothing.to(leaf.dtype) if leaf.is_floating_point() else none

    return tree_map(empty, output)


def has_fast_path(module: nn.Module) -> bool:
    """Whether the module has layers with an inference kernel for attention."""
    layers = (nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer)
    return any(isinstance(layer, layers) for layer in module.modules())


@contextmanager
def attention_without_fast_path(*, needed: bool) -> Iterator[None]:
    """Keep attention layers from their inference kernels, which lose the gradient of mapped weights."""
    if not needed or not attention.get_fastpath_enabled():
        yield
        return
    attention._is_fastpath_enabled = False  # what the setter does; dynamo follows the assignment, not the setter
    try:
        yield
    finally:
        attention._is_fastpath_enabled = True
