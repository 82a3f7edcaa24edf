"""Architectures that a hypernet was not made for."""

import pytest
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.errors import ConfigError, ContextError, LayoutError


def net(activation: nn.Module) -> hd.Architecture:
    return hd.Architecture.of(nn.Sequential(nn.Linear(3, 4), activation, nn.Linear(4, 2)))


def hypernet(head: nn.Module, known: hd.Architecture) -> hd.GraphHypernet:
    nodes = encoders.Nodes(encoders.Nodes.vocabulary_of([known]), 5)
    return hd.GraphHypernet(nodes=nodes, body=bodies.Graph(5, 6), head=head)


def test_an_operation_that_the_vocabulary_lacks() -> None:
    words = r"node '1' does 'gelu', which is not in the vocabulary\. .*Nodes\.vocabulary_of\(architectures\)"
    with pytest.raises(ContextError, match=words):
        hypernet(heads.TiledHead(6), net(nn.ReLU()))(net(nn.GELU()))


def test_a_shape_that_the_head_does_not_know() -> None:
    known = net(nn.ReLU())
    other = hd.Architecture.of(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)))
    head = heads.NodeHead(6, shapes=heads.NodeHead.shapes_of([known.layout]))
    with pytest.raises(LayoutError, match=r"'0\.weight'.*5, 3"):
        hypernet(head, known)(other)


def test_a_head_for_one_target_only() -> None:
    known = net(nn.ReLU())
    words = "FullHead generates one layout only: .* Use heads.TiledHead, or heads.NodeHead"
    with pytest.raises(ConfigError, match=words):
        hypernet(heads.FullHead(6, known.layout), known)


def test_a_module_in_place_of_its_architecture() -> None:
    module = nn.Linear(3, 4)
    with pytest.raises(
        ContextError, match=r"Nodes takes an Architecture, got Linear: write Architecture\.of\(module\)"
    ):
        hypernet(heads.TiledHead(6), net(nn.ReLU()))(module)
