"""A network as a graph of operations, each with the parameters that it uses."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import final

from torch import fx, nn

from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.layout._graph import Graph
from hyperdnn.layout._layout import ParamLayout
from hyperdnn.layout._operation import is_size, operation
from hyperdnn.layout._select import Selector
from hyperdnn.layout._spec import ParamSpec
from hyperdnn.layout._trace import trace

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
        leaves: classes of modules that are one operation each, beside those of torch and hyperdnn.

    Raises:
        LayoutError: if graph and nodes differ in number, or a tensor has no node, or two.
    """

    layout: ParamLayout
    nodes: tuple[Node, ...]
    graph: Graph
    module: nn.Module = field(repr=False)
    leaves: tuple[type[nn.Module], ...] = field(default=(), repr=False)
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

    @classmethod
    def of(cls, module: nn.Module, *selectors: Selector, leaves: Collection[type[nn.Module]] = ()) -> "Architecture":
        """The architecture of a module, read by running it once on symbols. The module stays as it is.

        Torch's own layers are one operation each; sizes are none. A parameter that is used directly is a node of its
        own, without inputs, and so is one that the module never uses.

        Args:
            module: any module whose operations do not depend on the values of tensors. Optional arguments of its
                ``forward`` keep their defaults.
            selectors: which parameters are generated, as for `Target`; all by default.
            leaves: classes of modules that shall be one operation each, because they cannot be traced.

        Raises:
            ConfigError: for what is no module, or leaves that are no classes.
            LayoutError: if the module has no parameter, a selector matches nothing, or the module cannot be traced.
        """
        if not isinstance(module, nn.Module):
            raise ConfigError(f"Architecture.of: expected an nn.Module, got {type(module).__name__}.")
        layout = ParamLayout.of(module, *selectors)
        homes = {name: spec.name for spec in layout for name in spec.names}
        nodes: list[Node] = []
        edges: list[tuple[int, int]] = []
        places: dict[fx.Node, int] = {}
        sizes: set[fx.Node] = set()
        free = dict.fromkeys(layout.names)  # those that have no node yet, in order

        def add(name: str, what: str, parameters: tuple[str, ...]) -> None:
            mine = tuple(dict.fromkeys(homes[p] for p in parameters if homes.get(p) in free))
            for parameter in mine:
                del free[parameter]
            nodes.append(Node(name, what, mine))

        for node in trace(module, leaves).nodes:
            if is_size(node, sizes):
                sizes.add(node)
                continue
            if node.op == "output":
                for name in tuple(free):
                    add(name, "parameter", (name,))
            edges += [(places[source], len(nodes)) for source in node.all_input_nodes if source in places]
            places[node] = len(nodes)
            what = operation(node, module)
            add(_name(node, what), what, _parameters(node, module))
        return cls(layout, tuple(nodes), Graph(len(nodes), tuple(edges)), module, tuple(leaves))

    def generating(self, specs: Callable[[ParamSpec], Sequence[ParamSpec]]) -> "Architecture":
        """The same network, for which something else is generated: what a combine makes the parameters from.

        A target that adds changes to a base needs changes generated, which start at zero::

            target = hd.Target.of(architecture, combine=combine)
            weights = hypernet(architecture.generating(combine.specs))

        Args:
            specs: parameter -> what is generated for it.
        """
        parts = {spec.name: tuple(specs(spec)) for spec in self.layout}
        made = {name: tuple(part.name for part in each) for name, each in parts.items()}
        nodes = (
            replace(node, parameters=tuple(part for name in node.parameters for part in made[self.layout[name].name]))
            for node in self.nodes
        )
        layout = ParamLayout(tuple(part for each in parts.values() for part in each))
        return replace(self, layout=layout, nodes=tuple(nodes))


def _name(node: fx.Node, what: str) -> str:
    return str(node.target) if node.op in ("call_module", "get_attr") else what


def _parameters(node: fx.Node, root: nn.Module) -> tuple[str, ...]:
    """Names of the parameters that a node uses."""
    path = str(node.target)
    if node.op == "get_attr":
        return (path,)
    if node.op != "call_module":
        return ()
    return tuple(f"{path}.{name}" if path else name for name, _ in root.get_submodule(path).named_parameters())
