"""The independent reference: plain torch modules, one context after the other, and how to compare with them."""

import copy
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from hyperdnn import Target
from hyperdnn._torch import tree_flatten, tree_leaves, tree_map, tree_unflatten

from .subjects import FLOAT, Subject

Inputs = tuple[tuple[Any, ...], dict[str, Any]]
Gradients = dict[str, Tensor]


def prepare(subject: Subject) -> tuple[nn.Module, Target]:
    """The plain module, and a target made from a copy of it."""
    plain = subject.make()
    target = Target(copy.deepcopy(plain), subject.select, buffers=subject.buffers)
    for layer in plain.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and subject.buffers == "frozen":
            layer.eval()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and subject.buffers == "batch":
            layer.running_mean = layer.running_var = layer.num_batches_tracked = None
            layer.track_running_stats = False
    return plain, target


def random_weights(target: Target, contexts: Sequence[int]) -> dict[str, Tensor]:
    """Weights that differ between contexts, to be differentiated by."""
    return {
        spec.name: (0.4 * torch.randn((*contexts, *spec.shape), dtype=FLOAT)).requires_grad_() for spec in target.layout
    }


def stacked(inputs: Iterable[Inputs], contexts: Sequence[int]) -> Inputs:
    """Several inputs as one, with dimensions in front; what is no tensor must be the same in all."""

    def stack(*leaves: Any) -> Any:
        return (
            torch.stack(leaves).reshape((*contexts, *leaves[0].shape)) if isinstance(leaves[0], Tensor) else leaves[0]
        )

    return tree_map(stack, *inputs)


def differentiable(inputs: Inputs) -> Inputs:
    """Fresh leaves that record gradients."""
    return tree_map(lambda x: x.detach().clone().requires_grad_(x.is_floating_point()) if _tensor(x) else x, inputs)


def at(inputs: Inputs, where: Any) -> Inputs:
    """The part of every tensor at an index."""
    return tree_map(lambda x: x[where] if _tensor(x) else x, inputs)


def with_weights(plain: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    """A copy of the plain module that holds these weights."""
    net = copy.deepcopy(plain)
    with torch.no_grad():
        for name, value in weights.items():
            net.get_parameter(name).copy_(value)
    return net


def loop(
    plain: nn.Module,
    weights: dict[str, Tensor],
    contexts: Sequence[int],
    call: Callable[[nn.Module, tuple[int, ...]], Any],
) -> tuple[dict[tuple[int, ...], Any], dict[tuple[int, ...], nn.Module]]:
    """Output of each context, and the module that made it."""
    nets = {
        where: with_weights(plain, {n: w[where] for n, w in weights.items()})
        for where in product(*map(range, contexts))
    }
    return {where: call(net, where) for where, net in nets.items()}, nets


def gradients(output: Any, weights: dict[str, Tensor], target: Target, inputs: Inputs) -> Gradients:
    """Of a sum that weighs every number of the output differently."""
    given = [x for x in tree_leaves(inputs) if _tensor(x) and x.requires_grad]
    kept = dict(target.module.named_parameters())
    named = {**weights, **{f"kept {n}": p for n, p in kept.items()}, **{f"input {i}": x for i, x in enumerate(given)}}
    found = torch.autograd.grad(_objective(output), list(named.values()), allow_unused=True)
    return {n: torch.zeros_like(named[n]) if g is None else g for n, g in zip(named, found, strict=True)}


def loop_gradients(
    output: Any, nets: dict[tuple[int, ...], nn.Module], target: Target, contexts: Sequence[int], inputs: Inputs
) -> Gradients:
    """The same of a loop's joined output, from the gradients that plain modules and inputs accumulate."""
    given = [x for x in tree_leaves(inputs) if _tensor(x) and x.requires_grad]
    _objective(output).backward()

    def of(net: nn.Module, name: str) -> Tensor:
        p = net.get_parameter(name)
        return torch.zeros_like(p) if p.grad is None else p.grad

    found = {
        name: torch.stack([of(net, name) for net in nets.values()]).reshape((*contexts, *target.layout[name].shape))
        for name in target.layout.names
    }
    found |= {f"kept {n}": sum(of(net, n) for net in nets.values()) for n, _ in target.module.named_parameters()}
    return found | {f"input {i}": torch.zeros_like(x) if x.grad is None else x.grad for i, x in enumerate(given)}


def assert_same(measured: Any, expected: Any) -> None:
    """Equal trees, equal values to 1e-9."""
    flat, spec = tree_flatten(measured)
    wanted, wanted_spec = tree_flatten(expected)
    assert spec == wanted_spec
    for x, y in zip(flat, wanted, strict=True):
        if _tensor(y):
            torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9)
        else:
            assert x == y


def join(outputs: Sequence[Any], how: Callable[[Sequence[Tensor]], Tensor]) -> Any:
    """Trees of outputs as one tree, tensor by tensor."""
    flats, specs = zip(*map(tree_flatten, outputs), strict=True)
    assert all(spec == specs[0] for spec in specs)
    leaves = [how(column) if _tensor(column[0]) else column[0] for column in zip(*flats, strict=True)]
    return tree_unflatten(leaves, specs[0])


def _objective(output: Any) -> Tensor:
    leaves = [x for x in tree_leaves(output) if _tensor(x) and x.requires_grad]
    return sum((torch.sin(torch.arange(x.numel(), dtype=FLOAT)).reshape(x.shape) * x).sum() for x in leaves)


def _tensor(x: Any) -> bool:
    return isinstance(x, Tensor)
