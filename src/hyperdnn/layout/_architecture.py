"""A network as a graph of operations, each with the parameters that it uses."""

from dataclasses import dataclass, field
from typing import final

from torch import nn

from hyperdnn.errors import LayoutError
from hyperdnn.layout._graph import Graph
from hyperdnn.layout._layout import ParamLayout

__all__ = ["Architecture", "Node"]


@final
@dataclass(frozen=True)
class Node:
    """One operation of a network.

    Args:
        name: path of the module, name of the parameter, ``"input"``, ``"output"``, or the function's name.
        operation: what is done, one word for one thing: ``nn.ReLU``, ``F.relu`` and ``Tensor.relu`` are all ``"relu"``.
        parameters: names in the layout that this node generates; a layer called twice has them at its first call.
    """

    name: str
    operation: str
    parameters: tuple[str, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Architecture:
    """A network to generate weights for: its layout, its operations and how they are connected.

    Every tensor of the layout belongs to exactly one node. Two architectures are equal only if they are the same
    object, for the module in it can change; compare ``nodes``, ``graph`` and ``layout`` to compare by value.

    Args:
        layout: what is generated.
        nodes: the operations, in the order in which they are computed.
        graph: which operation feeds which; numbers are positions in ``nodes``.
        module: the network itself, with its own parameters: `Target.of` runs a copy.

    Raises:
        LayoutError: if graph and nodes differ in number, or a tensor has no node, or two.
    """

    layout: ParamLayout
    nodes: tuple[Node, ...]
    graph: Graph
    module: nn.Module = field(repr=False)
    owner: tuple[int, ...] = field(init=False, repr=False)
    """For each tensor of the layout, in its order, the position of the node that generates it."""

    def __post_init__(self) -> None:
        if self.graph.num_nodes != len(self.nodes):
            raise LayoutError(f"{len(self.nodes)} nodes for a graph of {self.graph.num_nodes}: one for each is needed.")
        owner: dict[str, int] = {}
        for position, node in enumerate(self.nodes):
            for name in node.parameters:
                if self.layout[name].name in owner:
                    raise LayoutError(
                        f"'{name}' belongs to two nodes: '{self.nodes[owner[name]].name}', '{node.name}'."
                    )
                owner[name] = position
        lost = [name for name in self.layout.names if name not in owner]
        if lost:
            raise LayoutError(f"'{lost[0]}' belongs to no node: nothing would generate it.")
        object.__setattr__(self, "owner", tuple(owner[name] for name in self.layout.names))
