"""Several generated networks as one: their weights mixed, or their outputs."""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn._torch import tree_map
from hyperdnn.errors import BatchingError, ConfigError, ContextError
from hyperdnn.layout import ParamLayout
from hyperdnn.models._hyperdnn import HyperDNN
from hyperdnn.typing import Context, Weights

__all__ = ["OutputMixture", "WeightMixture"]


@final
class WeightMixture(nn.Module):
    """Mixes the weights of several experts into one set, ``sum_k gates[k] * weights[k]``: a hypernet again.

    Experts are what the last context dimension of a hypernet counts: several contexts of one, such as
    ``torch.arange(4)``, or the hypernets of a `Stack`. Experts in a single context dimension are generated once and
    mixed for every context: ``context=(torch.arange(4), x)``.

    A saved model only names it: build it again and pass ``from_pretrained(..., hypernet=...)``.

    Args:
        hypernet: generates the experts.
        gate: what the context's second entry is read by, into scores ``(*contexts, experts)``, whose softmax are the
            gates: any encoder. Without one the entry is the gates themselves, used as they are.

    Shape:
        a tuple of the experts' contexts, ``(experts, ...)`` or ``(*contexts, experts, ...)``, and what the gates come
        from -> each weight ``(*contexts, *shape)``.

    Raises:
        ConfigError: if the hypernet declares no layout.
        ContextError: if the context is no pair, or there is not one gate for each expert.

    Source:
        Yang, Bender, Le & Ngiam, "CondConv: Conditionally Parameterized Convolutions for Efficient Inference", NeurIPS
        2019; its gates are sigmoids, so leave ``gate`` out and pass them.
    """

    def __init__(self, hypernet: nn.Module, gate: nn.Module | None = None) -> None:
        super().__init__()
        layout = getattr(hypernet, "layout", None)
        if not isinstance(layout, ParamLayout):
            raise ConfigError(
                f"WeightMixture: {type(hypernet).__name__} declares no layout: it must say what it generates."
            )
        self.layout = layout
        self.hypernet = hypernet
        self.gate = gate

    def forward(self, context: Context) -> Weights:
        experts, routed = _pair(context, "WeightMixture")
        weights: Weights = self.hypernet(experts)
        lead = self.layout.check(weights)
        gates = _gates(self.gate, routed)
        if not lead or (gates.shape != lead and gates.shape[-1:] != lead):
            raise ContextError(
                f"WeightMixture: expected experts in the last context dimension and a gate for each, got experts "
                f"{tuple(lead)} and gates {tuple(gates.shape)}."
            )
        flat = self.layout.join(weights)
        gates = gates.to(flat.dtype)
        if len(lead) == 1:
            return self.layout.split(gates @ flat)
        return self.layout.split((gates.unsqueeze(-2) @ flat).squeeze(-2))


@final
class OutputMixture(nn.Module):
    """Runs several generated networks on the same data and mixes what they compute: a mixture of experts.

    Costs as many calls of the target as there are experts; where the target is linear in its weights, `WeightMixture`
    gives the same in one.

    Args:
        model: its contexts are the experts.
        gate: as for `WeightMixture`.

    Shape:
        data as the target takes it, and ``context=``, a tuple of the experts' contexts ``(experts, ...)`` and what the
        gates come from: ``(experts,)`` numbers for all samples, or ``(n, experts)`` for data ``(n, ...)`` -> as the
        target's output.

    Raises:
        ContextError: if the context is no pair, or the gates do not fit the experts and the output.
        BatchingError: if an output is no tensor of floating-point numbers.

    Source:
        Jacobs, Jordan, Nowlan & Hinton, "Adaptive Mixtures of Local Experts", Neural Computation 1991; Qu et al.,
        "HMOE: Hypernetwork-based Mixture of Experts for Domain Generalization", 2022 (experts from a hypernet).
    """

    def __init__(self, model: HyperDNN, gate: nn.Module | None = None) -> None:
        super().__init__()
        self.model = model
        self.gate = gate

    def forward(self, *args: Any, context: Context, **kwargs: Any) -> Any:
        experts, routed = _pair(context, "OutputMixture")
        weights = self.model.generate(experts)
        lead = self.model.target.layout.check(weights)
        gates = _gates(self.gate, routed)
        if len(lead) != 1 or gates.shape[-1:] != lead:
            raise ContextError(
                f"OutputMixture: expected experts in one context dimension and a gate for each, got experts "
                f"{tuple(lead)} and gates {tuple(gates.shape)}."
            )
        outputs = self.model.target.batched(weights, *args, data_dims=None, **kwargs)
        return tree_map(lambda leaf: _mixed(leaf, gates), outputs)


def _pair(context: Context, name: str) -> tuple[Context, Context]:
    if isinstance(context, tuple | list) and len(context) == 2:
        return context[0], context[1]
    got = f"{len(context)} entries" if isinstance(context, tuple | list) else f"a {type(context).__name__}"
    raise ContextError(f"{name}: expected a tuple (experts' contexts, what the gates come from), got {got}.")


def _gates(gate: nn.Module | None, routed: Context) -> Float[Tensor, "*contexts experts"]:
    gates = routed if gate is None else gate(routed)
    if not isinstance(gates, Tensor) or not gates.is_floating_point() or gates.ndim == 0:
        got = f"{gates.dtype} {tuple(gates.shape)}" if isinstance(gates, Tensor) else type(gates).__name__
        raise ContextError(f"gates: expected floating-point numbers (*contexts, experts), got {got}.")
    return gates if gate is None else gates.softmax(-1)


def _mixed(output: Any, gates: Tensor) -> Any:
    """``(experts, *samples, ...)`` weighed by gates ``(*samples, experts)`` and added up."""
    if output is None:
        return None
    if not isinstance(output, Tensor) or not output.is_floating_point():
        kind = output.dtype if isinstance(output, Tensor) else type(output).__name__
        raise BatchingError(f"OutputMixture: an output of {kind} cannot be mixed. Return floating-point tensors only.")
    samples = gates.shape[:-1]
    if output.shape[1 : 1 + len(samples)] != samples:
        raise ContextError(
            f"OutputMixture: gates are of samples {tuple(samples)}, but each network returned "
            f"{tuple(output.shape[1:])}."
        )
    shares = gates.movedim(-1, 0).to(output.dtype)
    return torch.sum(output * shares.reshape(shares.shape + (1,) * (output.ndim - shares.ndim)), dim=0)
