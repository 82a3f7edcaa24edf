"""Kept channels, followed through a network from layer to layer."""

from collections.abc import Mapping
from typing import Any, final

from torch import fx, nn

from hyperdnn.errors import LayoutError
from hyperdnn.layout._channels import Channels, Keep, agree, joined
from hyperdnn.layout._cut_functions import BINARY, RULES, argument
from hyperdnn.layout._cut_layers import cut_layer
from hyperdnn.layout._operation import is_size, operation
from hyperdnn.layout._trace import trace

__all__ = ["Cut"]


@final
class Cut:
    """What remains of each tensor and each layer of a network of which some layers become narrower.

    Args:
        module: the wide network.
        leaves: as for `Architecture.of`.
        widths: layer -> channels that it keeps.

    Raises:
        LayoutError: if two sides of a sum would differ, channels are lost track of, or the network's output is cut.
    """

    def __init__(self, module: nn.Module, leaves: tuple[type[nn.Module], ...], widths: Mapping[str, int]) -> None:
        self.keep: dict[str, tuple[Keep, ...]] = {}  # tensor -> what is kept along each dimension
        self.sizes: dict[str, dict[str, Any]] = {}  # layer -> its attributes that say how wide it is
        self._module, self._widths = module, widths
        self._channels: dict[fx.Node, Channels] = {}
        self._computed: set[fx.Node] = set()  # sizes
        first: dict[int, str] = {}
        tensors = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
        self._first = {name: first.setdefault(id(tensor), name) for name, tensor in tensors}  # tied: one name
        self._shapes = {name: tuple(tensor.shape) for name, tensor in tensors}
        for node in trace(module, leaves).nodes:
            if is_size(node, self._computed):
                self._computed.add(node)
            elif node.op != "get_attr":
                self._channels[node] = self._visit(node)
        unseen = [path for path in widths if path not in self.sizes]
        if unseen:
            raise LayoutError(
                f"'{unseen[0]}' has a width, but is never called by itself: it is unused, or inside of a layer that is "
                "one operation. Leave it out."
            )

    def _visit(self, node: fx.Node) -> Channels:
        if node.op == "placeholder":
            return Channels(source=str(node.target))
        inputs = [self._channels[source] for source in node.all_input_nodes if source in self._channels]
        if node.op == "output":
            self._finish(inputs)
            return self._whole(node)
        what = operation(node, self._module)
        result: Channels | None = None
        if node.op == "call_module" and len(inputs) == 1:
            result = self._layer(str(node.target), inputs[0])
        if what in BINARY:
            result = self._binary(node, inputs)
        elif what == "cat":
            result = self._cat(node)
        elif result is None and what in RULES and len(inputs) == 1:
            result = self._rule(node, what, inputs[0])
        if result is not None:
            return result
        for x in inputs:
            if x.keep is not None:
                name = node.target if node.op == "call_module" else node.name
                raise LayoutError(
                    f"'{name}' ({what}): what becomes of {x} there is unknown. Leave '{x.source}' as wide as it is."
                )
        return self._whole(node)

    def _whole(self, node: fx.Node) -> Channels:
        """What an unknown operation gives, of which nothing may be cut."""
        for source in node.all_input_nodes:
            name = str(source.target)
            if source.op == "get_attr" and name in self._shapes:
                self._record(name, (None,) * len(self._shapes[name]))
        return Channels(source=node.name)

    def _layer(self, path: str, x: Channels) -> Channels | None:
        layer = self._module.get_submodule(path)
        cut = cut_layer(path, layer, x, self._widths.get(path))
        if cut is None:
            return None
        for leaf, keep in cut.keep.items():
            self._record(f"{path}.{leaf}" if path else leaf, keep)
        if self.sizes.setdefault(path, cut.sizes) != cut.sizes:
            raise LayoutError(f"'{path}' is called twice, with different channels: give its inputs the same width.")
        return cut.output

    def _rule(self, node: fx.Node, what: str, x: Channels) -> Channels | None:
        if node.op == "call_module" and what == "flatten":
            layer = self._module.get_submodule(str(node.target))
            assert isinstance(layer, nn.Flatten)
            node.args = (node.args[0], layer.start_dim, layer.end_dim)
        return RULES[what](node, x, self._counted)

    def _binary(self, node: fx.Node, inputs: list[Channels]) -> Channels | None:
        if not inputs:
            return None
        x = inputs[0]
        for other in inputs[1:]:
            x = agree(node.name, x, other)
        for source in node.all_input_nodes:
            if source.op == "get_attr" and not self._broadcast(str(source.target), x):
                return None
        return x

    def _broadcast(self, name: str, x: Channels) -> bool:
        """Cut a parameter or buffer that meets a tensor; False if that is not known to be possible."""
        if name not in self._shapes:
            return x.keep is None
        shape = self._shapes[name]
        place = len(shape) + x.dim
        there = place >= 0 and shape[place] != 1
        if len(shape) > (x.rank or len(shape)):
            return False
        if there and (x.total == 1 or (x.keep is not None and not x.makes(shape[place]))):
            return False
        self._record(name, tuple(x.features(n) if there and i == place else None for i, n in enumerate(shape)))
        return True

    def _cat(self, node: fx.Node) -> Channels | None:
        given = argument(node, 0, "tensors", ())
        pieces = [self._channels.get(piece) for piece in given] if isinstance(given, tuple | list) else []
        dim = argument(node, 1, "dim", node.kwargs.get("axis", 0))
        known = [piece for piece in pieces if piece is not None]
        first = next((piece for piece in known if piece.keep is not None), None)
        if first is None:
            axis = known[0].axis(dim) if known else None
            together = len(known) == len(pieces) and axis is not None and axis == known[0].dim
            return joined(node.name, known) if together else None
        axis = first.axis(dim)
        if axis is None:
            raise LayoutError(
                f"'{node.name}' joins {first} along dimension {dim}, but how many dimensions there are is unknown. "
                "Count from the right: cat(..., dim=-1)."
            )
        if len(known) < len(pieces):
            return None
        if axis == first.dim:
            return joined(node.name, known)
        for other in known:
            agree(node.name, first, other)
        return first

    def _counted(self, size: Any) -> tuple[Channels, int] | None:
        """The tensor and dimension of which an argument is the size."""
        if not isinstance(size, fx.Node) or size not in self._computed:
            return None
        source, dim = (size.args[0], argument(size, 1, "dim", None)) if len(size.args) > 1 else (None, None)
        if isinstance(source, fx.Node) and source in self._computed:  # x.shape[1], x.size()[1]
            source = source.args[0]
        x = self._channels.get(source) if isinstance(source, fx.Node) else None
        return (x, dim) if x is not None and isinstance(dim, int) else None

    def _record(self, name: str, keep: tuple[Keep, ...]) -> None:
        if name not in self._first:
            return  # a layer without bias
        first = self._first[name]
        if self.keep.setdefault(first, keep) != keep:
            raise LayoutError(
                f"'{name}' is used twice, and different channels of it would be kept: give the layers that share it "
                "the same width, and their inputs too."
            )

    def _finish(self, outputs: list[Channels]) -> None:
        for x in outputs:
            if x.keep is not None:
                raise LayoutError(
                    f"the network's output would be {x} out of {x.total}: leave '{x.source}' as wide as it is."
                )
