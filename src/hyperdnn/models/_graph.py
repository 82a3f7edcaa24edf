"""A hypernet for architectures that come with the call."""

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.layout import Architecture, Graph
from hyperdnn.typing import Weights

__all__ = ["GraphHypernet"]


@final
class GraphHypernet(nn.Module):
    """Architecture -> nodes -> body -> head -> weights, for networks of any depth, width and wiring.

    ``hd.Target.of(architecture)(weights, x)`` runs what comes out. Body and head may also be of your own: a body that
    follows the graph has ``propagate(features, graph)``, another treats every node alike, as ``bodies.MLP`` does; a
    head has ``decode(features, architecture)``. Each architecture compiles to a graph of its own
    (``torch.compile(..., dynamic=False)``).

    Args:
        nodes: architecture -> features ``(nodes, d)``: `encoders.Nodes`.
        body: features -> features ``(nodes, hidden)``: `bodies.Graph`.
        head: features -> weights: `heads.TiledHead` or `heads.NodeHead`, without a layout.

    Shape:
        an `Architecture` -> each weight ``spec.shape``.

    Raises:
        ConfigError: if widths do not fit, or a part cannot take a graph that comes with the call.

    Source:
        Zhang, Ren & Urtasun, "Graph HyperNetworks for Neural Architecture Search", ICLR 2019.
    """

    def __init__(self, *, nodes: nn.Module, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        _fits(nodes, body, head)
        self.nodes = nodes
        self.body = body
        self.head = head

    def forward(self, architecture: Architecture) -> Weights:
        return self.batch([architecture])[0]

    def batch(self, architectures: Sequence[Architecture]) -> list[Weights]:
        """Weights of several architectures, in one pass through the body: as many steps as the deepest one takes.

        Raises:
            ConfigError: for a single architecture.
        """
        if isinstance(architectures, Architecture):
            raise ConfigError("batch takes a sequence of architectures, got a single one: call the hypernet itself.")
        if not architectures:
            return []
        rows = torch.cat([self.nodes(architecture) for architecture in architectures])
        body: Any = self.body
        if hasattr(body, "propagate"):
            features = body.propagate(rows, Graph.union(architecture.graph for architecture in architectures))
        else:
            features = body(rows)
        head: Any = self.head
        each = torch.split(features, [len(architecture.nodes) for architecture in architectures])
        return [head.decode(own, architecture) for own, architecture in zip(each, architectures, strict=True)]


def _fits(nodes: nn.Module, body: nn.Module, head: nn.Module) -> None:
    if getattr(body, "mixes_slots", False) and not hasattr(body, "propagate"):
        raise ConfigError(
            f"body {type(body).__name__} mixes slots, and would mix architectures that come together. Use "
            "bodies.Graph, or bodies.MLP for no exchange between nodes."
        )
    if not hasattr(head, "decode"):
        raise ConfigError(
            f"head {type(head).__name__} generates one layout only: it has no decode(features, architecture). Use "
            "heads.TiledHead, or heads.NodeHead."
        )
    for role, part, takes, before, gives in (
        ("body", body, "features", nodes, "features"),
        ("head", head, "hidden", body, "hidden"),
    ):
        wanted, given = getattr(part, takes, None), getattr(before, gives, None)
        if isinstance(wanted, int) and isinstance(given, int) and wanted != given:
            raise ConfigError(
                f"{role} {type(part).__name__} takes {wanted} {takes}, but {type(before).__name__} gives {given}."
            )
