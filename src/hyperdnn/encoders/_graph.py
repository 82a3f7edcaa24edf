"""Contexts that are graphs: molecules, road networks, circuits."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn.encoders._finite import check_finite, check_form, check_like
from hyperdnn.encoders._keep_scale import keep_scale_
from hyperdnn.encoders._set import Set
from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.typing import Context

__all__ = ["Graph"]


@final
class Graph(nn.Module):
    """Reads a graph whose nodes carry vectors, in whatever order they come, and pools the nodes by attention.

    In each layer a node adds to its state what it makes of its own and of the sums over those that lead to it and over
    those it leads to, the sums divided by the root of one plus their squared weights. `Set` then pools the nodes. An
    undirected graph has a symmetric adjacency. Costs ``n**2`` products for each number of a graph of ``n`` nodes.

    For the target's own graph see `Nodes` and `bodies.Graph`.

    Args:
        inputs: width of a node's vector.
        features: width of the output.
        hidden: width of the layers.
        layers: how many edges far a node sees.
        num_heads: attention heads of the pooling; they divide ``hidden``.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        a tuple of nodes ``(*contexts, n, inputs)`` and adjacency ``(*contexts, n, n)``, whose number at ``i, j``
        weighs the edge from ``i`` to ``j``, and a mask ``(*contexts, n)`` that is true where there is a node, if some
        are not -> ``(*contexts, features)``. What stands at masked places does not matter.

    Raises:
        ConfigError: if ``num_heads`` does not divide ``hidden``, or without a layer.
        ContextError: if a shape or type is wrong or a value is not finite.

    Source:
        Gilmer et al., "Neural Message Passing for Quantum Chemistry", ICML 2017; Kipf & Welling, "Semi-Supervised
        Classification with Graph Convolutional Networks", ICLR 2017 (the root).
    """

    def __init__(
        self,
        inputs: int,
        features: int,
        *,
        hidden: int = 64,
        layers: int = 3,
        num_heads: int = 4,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ConfigError(f"Graph needs at least one layer, got layers={layers}. For no edges use encoders.Set.")
        self.inputs = inputs
        self.features = features
        self.hidden = hidden
        self.layers = layers
        self.num_heads = num_heads
        self.enter = nn.Linear(inputs, hidden, device=device, dtype=dtype)
        self.mix = nn.ModuleList(nn.Linear(3 * hidden, hidden, device=device, dtype=dtype) for _ in range(layers))
        self.pool = Set(hidden, features, hidden=hidden, num_heads=num_heads, device=device, dtype=dtype)
        keep_scale_(self.enter, *(mix for mix in self.mix if isinstance(mix, nn.Linear)))

    def forward(self, context: Context) -> Float[Tensor, "*contexts features"]:
        nodes, adjacency, mask = _parts(context)
        check_form(nodes, ("n", self.inputs), "Graph")
        check_form(adjacency, (nodes.shape[-2], nodes.shape[-2]), "Graph's adjacency")
        for part in (nodes, adjacency):
            check_like(part, self.enter.weight, "Graph")
        if mask is not None:
            nodes = nodes.masked_fill(~mask.unsqueeze(-1), 0.0)
            adjacency = adjacency.masked_fill(~(mask.unsqueeze(-1) & mask.unsqueeze(-2)), 0.0)
        check_finite(nodes, "Graph")
        check_finite(adjacency, "Graph's adjacency")
        into, out_of = (_unit(weights) for weights in (adjacency.mT, adjacency))
        state: Tensor = self.enter(nodes)
        for mix in self.mix:
            change = mix(torch.cat([state, into @ state, out_of @ state], dim=-1))
            state = state + nn.functional.gelu(change) / self.layers
        pooled: Tensor = self.pool(state if mask is None else (state, mask))
        return pooled


def _unit(adjacency: Tensor) -> Tensor:
    """Rows whose sum over nodes of unit variance has at most unit variance, without a division by zero."""
    return adjacency * (adjacency.square().sum(-1, keepdim=True) + 1).rsqrt()


def _parts(context: object) -> tuple[Tensor, Tensor, Tensor | None]:
    parts = context if isinstance(context, tuple) else (context,)
    if len(parts) not in (2, 3) or not all(isinstance(part, Tensor) for part in parts):
        kinds = ", ".join(type(part).__name__ for part in parts)
        raise ContextError(
            f"Graph takes a tuple of tensors (nodes, adjacency) or (nodes, adjacency, mask), got {kinds}."
        )
    nodes, adjacency, mask = parts if len(parts) == 3 else (*parts, None)
    if nodes.ndim < 2 or adjacency.shape != (*nodes.shape[:-1], nodes.shape[-2]):
        expected = (*nodes.shape[:-1], nodes.shape[-2]) if nodes.ndim > 1 else "(*contexts, n, n)"
        raise ContextError(
            f"Graph: nodes {tuple(nodes.shape)} go with an adjacency {expected}, got {tuple(adjacency.shape)}."
        )
    if mask is not None and (mask.dtype != torch.bool or mask.shape != nodes.shape[:-1]):
        raise ContextError(
            f"Graph: expected a boolean mask {tuple(nodes.shape[:-1])}, got {mask.dtype} {tuple(mask.shape)}."
        )
    if mask is not None and mask.device != nodes.device:
        raise ContextError(f"Graph: the mask is on {mask.device}, the nodes are on {nodes.device}.")
    return nodes, adjacency, mask
