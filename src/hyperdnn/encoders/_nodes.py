"""Architectures: one row of features for each operation."""

import math
from collections.abc import Iterable, Sequence
from typing import final

import torch
from torch import Tensor, nn

from hyperdnn.encoders._keep_scale import keep_scale_
from hyperdnn.errors import ConfigError, ContextError, nearest
from hyperdnn.layout import Architecture, Graph, Node

__all__ = ["Nodes"]

_SIDES = 5
"""Sides of a tensor that are looked at; a kernel of a volumetric convolution has the last three."""

_WAVES = 8
"""Wavelengths in which a depth is told."""


@final
class Nodes(nn.Module):
    """Reads an architecture: what each node does, the shape of the largest tensor that it generates, and its depth.

    Not an encoder of contexts: one architecture makes many rows, for the body and head of a `GraphHypernet`. What a
    node does is a learned embedding. Shapes are numbers, the logarithm of each side through a linear map, so that a
    width never seen before lies beyond those seen. The depth, edges on the longest path to the node, comes as waves: it
    keeps equal layers of a deep network apart, which messages between neighbours alone do slowly.

    Args:
        vocabulary: all operations that occur: ``Nodes.vocabulary_of(architectures)``.
        features: width of a row.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        an `Architecture` -> ``(nodes, features)``.

    Raises:
        ConfigError: for a vocabulary that is empty, or has a word twice.
        ContextError: for an operation that is not in the vocabulary.

    Source:
        Zhang, Ren & Urtasun, "Graph HyperNetworks for Neural Architecture Search", ICLR 2019 (operations); Knyazev et
        al., "Parameter Prediction for Unseen Deep Architectures", NeurIPS 2021 (shapes), and "Can We Scale Transformers
        to Predict Parameters of Diverse ImageNet Models?", ICML 2023 (depths); both learn embeddings of numbers.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        features: int,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not vocabulary or len(set(vocabulary)) < len(vocabulary):
            raise ConfigError(f"Nodes: expected a vocabulary of different operations, got {tuple(vocabulary)}.")
        self.vocabulary = tuple(vocabulary)
        self.features = features
        self.operations = nn.Parameter(torch.randn(len(vocabulary), features, device=device, dtype=dtype))
        self.shapes = nn.Linear(_SIDES + 1, features, device=device, dtype=dtype)
        self.depths = nn.Linear(2 * _WAVES, features, bias=False, device=device, dtype=dtype)
        keep_scale_(self.shapes, self.depths)
        self._index = {operation: i for i, operation in enumerate(self.vocabulary)}

    @staticmethod
    def vocabulary_of(architectures: Iterable[Architecture]) -> tuple[str, ...]:
        """All operations that occur, in a fixed order."""
        return tuple(sorted({node.operation for one in architectures for node in one.nodes}))

    def forward(self, architecture: Architecture) -> Tensor:
        if not isinstance(architecture, Architecture):
            raise ContextError(
                f"Nodes takes an Architecture, got {type(architecture).__name__}: write Architecture.of(module)."
            )
        known = torch.tensor([self._known(node) for node in architecture.nodes], device=self.operations.device)
        sizes = [_numbers(_largest(architecture, node)) for node in architecture.nodes]
        shapes = torch.tensor(sizes, device=self.operations.device, dtype=self.operations.dtype)
        depths = _waves(architecture.graph).to(shapes)
        rows: Tensor = self.operations[known] + self.shapes(shapes) + self.depths(depths)
        return rows * 2**-0.5

    def _known(self, node: Node) -> int:
        if node.operation not in self._index:
            raise ContextError(
                f"node '{node.name}' does '{node.operation}', which is not in the vocabulary."
                f"{nearest(node.operation, self.vocabulary)} Build Nodes(Nodes.vocabulary_of(architectures), ...) from "
                "all architectures that will come."
            )
        return self._index[node.operation]


def _waves(graph: Graph) -> Tensor:
    """Sines and cosines of each node's depth, the longest path to it, at wavelengths of 2 to 200 edges."""
    depths = [0] * graph.num_nodes
    for start, to in sorted(graph.edges):
        depths[to] = max(depths[to], depths[start] + 1)
    frequencies = math.pi * 0.01 ** torch.linspace(0, 1, _WAVES)
    angles = torch.tensor(depths).unsqueeze(-1) * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _largest(architecture: Architecture, node: Node) -> tuple[int, ...]:
    shapes = [architecture.layout[name].shape for name in node.parameters]
    return max(shapes, key=math.prod, default=())


def _numbers(shape: tuple[int, ...]) -> list[float]:
    """Each side's logarithm, in units of 16: outputs, inputs, then the kernel at the end; and how many sides."""
    sides = [*shape[:2], *(1,) * (_SIDES - len(shape)), *shape[2:]][:_SIDES] if len(shape) > 1 else [*shape]
    logs = [math.log(max(side, 1)) / math.log(16) for side in sides]
    return [*logs, *(0.0,) * (_SIDES - len(logs)), float(len(shape))]
