import pytest
import torch

import hyperdnn as hd
from hyperdnn.errors import ConfigError
from hyperdnn.lab.spaces import LEAVES, OPERATIONS, Cell, CellNetwork, draw_cells

CELL: Cell = (("conv3", (0,)), ("skip", (0,)), ("separable3", (0, 1)), ("pool", (2,)))


def _network(cell: Cell = CELL) -> CellNetwork:
    torch.manual_seed(0)
    return CellNetwork(cell, inputs=1, channels=(4, 6), classes=10)


def test_a_cell_is_computed_as_it_is_drawn() -> None:
    net, x = _network(), torch.rand(5, 1, 8, 8)
    h = x
    for enter, halve, wired in (net.layers[:3], net.layers[3:]):
        conv, _, separable, pool = wired.nodes
        a = halve(enter(h))
        b = conv(a)
        c = a  # a skip
        d = separable(a + b)
        h = d + pool(c)  # what nobody reads
    torch.testing.assert_close(net(x), net.classify(h.relu().mean((2, 3))))


def test_images_are_halved_at_every_width() -> None:
    net = CellNetwork((("skip", (0,)),), inputs=3, channels=(4, 6, 8), classes=2)
    assert net.layers(torch.rand(5, 3, 16, 16)).shape == (5, 8, 2, 2)
    assert [layer.weigh.weight.shape for layer in net.layers[::3]] == [(4, 3, 3, 3), (6, 4, 1, 1), (8, 6, 1, 1)]


def test_each_operation_is_a_node_with_all_that_it_weighs() -> None:
    found = hd.Architecture.of(_network(), leaves=LEAVES)
    words = [node.operation for node in found.nodes]
    once = ["Convolution", "max_pool2d", "Convolution", "Identity", "add", "Separable", "max_pool2d", "add"]
    assert words == ["input", *once, *once, "relu", "mean", "Linear", "output"]
    separable = found.nodes[words.index("Separable")]
    assert separable.parameters == ("layers.2.nodes.2.within.weight", "layers.2.nodes.2.across.weight")
    assert {start for start, to in found.graph.edges if to == 5} == {2, 3}  # what the separable convolution's sum reads


def test_norms_use_the_batch_in_training_and_after_it() -> None:
    net, x = _network(), torch.rand(5, 1, 8, 8)
    assert not list(net.buffers())
    assert net.eval()(x).equal(net.train()(x))
    assert not net(x)[:2].allclose(net(x[:2]))


@pytest.mark.parametrize("cell", draw_cells(10, nodes=(1, 5), seed=0) + [((name, (0,)),) for name in OPERATIONS])
def test_every_cell_is_read_and_run_with_generated_weights(cell: Cell) -> None:
    net, x = _network(cell), torch.rand(5, 1, 8, 8)
    target = hd.Target.of(hd.Architecture.of(net, leaves=LEAVES))
    weights = {name: parameter.detach() for name, parameter in net.named_parameters()}
    torch.testing.assert_close(target(weights, x), net(x))


def test_a_cell_that_cannot_be_computed_is_named() -> None:
    with pytest.raises(ConfigError, match=r"node 1 does 'conv', which is no operation. Did you mean 'conv\d'"):
        _network((("conv", (0,)),))
    with pytest.raises(ConfigError, match=r"node 2 reads \(2,\): expected some of 0 to 1"):
        _network((("skip", (0,)), ("skip", (2,))))
    with pytest.raises(ConfigError, match=r"node 1 reads \(\)"):
        _network((("skip", ()),))
    with pytest.raises(ConfigError, match="cell: expected a node"):
        _network(())
