"""What is no architecture, and what an architecture is not for."""

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import Architecture, bodies, encoders, heads
from hyperdnn.errors import ConfigError


def test_what_is_no_module() -> None:
    with pytest.raises(ConfigError, match=r"Architecture\.of: expected an nn\.Module, got list"):
        Architecture.of([nn.Linear(2, 2)])


@pytest.mark.parametrize("leaves", [nn.Linear, ("Linear",), [nn.Linear(2, 2)]])
def test_leaves_that_are_no_classes(leaves: object) -> None:
    with pytest.raises(ConfigError, match=r"leaves: expected classes of modules, such as leaves=\(MyBlock,\), got"):
        Architecture.of(nn.Sequential(nn.Linear(2, 2)), leaves=leaves)


@pytest.mark.parametrize("given", [nn.Linear(2, 2), hd.ParamLayout.of(nn.Linear(2, 2))])
def test_a_target_of_what_is_no_architecture(given: object) -> None:
    with pytest.raises(ConfigError, match=r"Target\.of takes an Architecture, got .*Architecture\.of\(module\), or T"):
        hd.Target.of(given)


def test_a_single_architecture_is_no_batch() -> None:
    architecture = Architecture.of(nn.Linear(2, 2))
    nodes = encoders.Nodes(encoders.Nodes.vocabulary_of([architecture]), 4)
    hypernet = hd.GraphHypernet(nodes=nodes, body=bodies.Graph(4, 4), head=heads.TiledHead(4))
    with pytest.raises(ConfigError, match=r"takes a sequence of architectures, .* call the hypernet itself"):
        hypernet.batch(architecture)


def test_a_body_propagates_along_a_graph() -> None:
    architecture = Architecture.of(nn.Linear(2, 2))
    with pytest.raises(ConfigError, match=r"expected a layout\.Graph .* got Architecture.* pass architecture\.graph"):
        bodies.Graph(4, 4).propagate(torch.randn(3, 4), architecture)
