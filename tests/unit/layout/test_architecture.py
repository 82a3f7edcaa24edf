import copy
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn import Architecture
from hyperdnn.errors import LayoutError
from hyperdnn.layout import Graph, Node, ParamLayout
from hyperdnn.targets import LowRank

from ...architectures import RandomNet


class Block(nn.Module):
    """Functional calls, parameters used directly, sizes, a layer called twice, one that is tied, one without use."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.scale = nn.Parameter(torch.ones(3))
        self.lonely = nn.Linear(2, 2)
        self.register_buffer("offset", torch.zeros(3))

    def forward(self, x: Tensor, mask: Tensor | None = None, *, bend: bool = True) -> dict[str, Tensor]:
        self.seen = x
        h = F.relu(self.second(x)) if bend else x
        h = self.first(h) * self.scale
        if mask is not None:
            h = h * mask
        h = self.first(h) + self.offset
        return {"y": torch.cat((h, h.view(h.size(0), h.shape[1] // 1)), dim=-1), "h": h}


def test_nodes_edges_and_owners_by_hand() -> None:
    architecture = Architecture.of(Block())
    assert architecture.nodes == (
        Node("input", "input"),
        Node("second", "Linear", ("first.weight", "second.bias")),  # the first call of the tied weight
        Node("relu", "relu"),
        Node("first", "Linear", ("first.bias",)),
        Node("scale", "parameter", ("scale",)),
        Node("mul", "mul"),
        Node("first", "Linear"),
        Node("offset", "constant"),
        Node("add", "add"),
        Node("reshape", "reshape"),
        Node("cat", "cat"),
        Node("lonely.weight", "parameter", ("lonely.weight",)),
        Node("lonely.bias", "parameter", ("lonely.bias",)),
        Node("output", "output"),
    )
    edges = (
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 5),
        (4, 5),
        (5, 6),
        (6, 8),
        (7, 8),
        (8, 9),
        (8, 10),
        (9, 10),
        (10, 13),
        (8, 13),
    )
    assert set(architecture.graph.edges) == set(edges)
    assert architecture.layout.names == (
        "scale",
        "first.weight",
        "first.bias",
        "second.bias",
        *("lonely.weight", "lonely.bias"),
    )
    assert architecture.owner == (4, 1, 3, 1, 11, 12)


def test_reading_leaves_the_module_as_it_is() -> None:
    module = Block()
    module.count = torch.zeros(2)
    before = dict(vars(module))
    Architecture.of(module)
    assert vars(module) == before
    assert not hasattr(module, "seen")


def test_only_what_is_selected_is_generated() -> None:
    architecture = Architecture.of(Block(), "*.bias")
    assert architecture.layout.names == ("first.bias", "second.bias", "lonely.bias")
    assert [node.parameters for node in architecture.nodes if node.parameters] == [
        ("second.bias",),
        ("first.bias",),
        ("lonely.bias",),
    ]
    assert Node("scale", "parameter") in architecture.nodes  # it still is an operation


@pytest.mark.parametrize("seed", range(200))
def test_every_random_network_is_read_whole(seed: int) -> None:
    module = RandomNet(seed)
    architecture = Architecture.of(module)
    assert architecture.layout == ParamLayout.of(module)
    owned = [name for node in architecture.nodes for name in node.parameters]
    assert sorted(owned) == sorted(architecture.layout.names)
    for name, owner in zip(architecture.layout.names, architecture.owner, strict=True):
        assert name.rpartition(".")[0] == architecture.nodes[owner].name  # all of them belong to layers
    reached = {0}
    for start, end in sorted(architecture.graph.edges):
        assert start < end
        if start in reached:
            reached.add(end)
    assert architecture.nodes[0].operation == "input"
    assert architecture.nodes[-1].operation == "output"
    assert len(architecture.nodes) - 1 in reached


def test_several_inputs_and_outputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map = nn.Bilinear(2, 3, 4)

        def forward(self, x: Tensor, *, y: Tensor) -> tuple[Tensor, Tensor]:
            return self.map(x, y), x

    architecture = Architecture.of(Two())
    assert [node.operation for node in architecture.nodes] == ["input", "input", "Bilinear", "output"]
    assert set(architecture.graph.edges) == {(0, 2), (1, 2), (2, 3), (0, 3)}


def test_attention_and_recurrent_layers_are_one_operation() -> None:
    module = nn.Sequential(nn.TransformerEncoderLayer(4, 2), nn.LSTM(4, 3))
    architecture = Architecture.of(module)
    assert [node.operation for node in architecture.nodes] == ["input", "TransformerEncoderLayer", "LSTM", "output"]
    assert len(architecture.nodes[1].parameters) == len(list(module[0].parameters()))


@pytest.mark.parametrize("layer", [nn.Linear(3, 2), nn.LSTM(3, 2), nn.MultiheadAttention(4, 2)])
def test_a_single_layer_is_a_network(layer: nn.Module) -> None:
    architecture = Architecture.of(layer)
    assert [node.operation for node in architecture.nodes if node.operation not in ("input", "output")] == [
        type(layer).__name__
    ]
    assert set(architecture.owner) == {len(architecture.nodes) - 2}


def test_on_the_meta_device_and_in_float64() -> None:
    with torch.device("meta"):
        meta = Architecture.of(RandomNet(3))
    real = Architecture.of(RandomNet(3).double())
    assert meta.nodes == real.nodes
    assert meta.graph == real.graph
    assert {spec.dtype for spec in real.layout} == {torch.float64}


def test_copies_and_pickles() -> None:
    architecture = Architecture.of(nn.Sequential(nn.Linear(2, 2), nn.Tanh()))
    for other in (copy.deepcopy(architecture), pickle.loads(pickle.dumps(architecture))):
        assert (other.nodes, other.graph, other.layout) == (architecture.nodes, architecture.graph, architecture.layout)
        assert other != architecture  # equal only to itself
    assert {architecture: 1}[architecture] == 1


def test_graph_and_nodes_must_fit_each_other_and_the_layout() -> None:
    module = nn.Linear(2, 2)
    layout = ParamLayout.of(module)
    whole = Node("a", "Linear", ("weight", "bias"))
    with pytest.raises(LayoutError, match="1 nodes for a graph of 2"):
        Architecture(layout, (whole,), Graph.chain(2), module)
    with pytest.raises(LayoutError, match="'weight' belongs to two nodes: 'a', 'b'"):
        Architecture(layout, (whole, Node("b", "Linear", ("weight",))), Graph.chain(2), module)
    with pytest.raises(LayoutError, match="'bias' belongs to no node: nothing would generate it"):
        Architecture(layout, (Node("a", "Linear", ("weight",)),), Graph.chain(1), module)
    with pytest.raises(LayoutError, match="Did you mean 'weight'"):
        Architecture(layout, (Node("a", "Linear", ("weigth",)),), Graph.chain(1), module)


def test_another_layout_is_generated_by_the_same_nodes() -> None:
    architecture = Architecture.of(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2, bias=False)))
    changing = architecture.generating(LowRank(2).specs)
    assert [node.parameters for node in changing.nodes] == [
        (),
        ("0.weight.left", "0.weight.right", "0.bias"),
        ("1.weight", "1.bias"),
        ("2.weight.left", "2.weight.right"),
        (),
    ]
    assert changing.owner == (1, 1, 1, 2, 2, 3, 3)
    assert (changing.graph, changing.module) == (architecture.graph, architecture.module)
    assert architecture.generating(lambda spec: (spec,)).nodes == architecture.nodes
