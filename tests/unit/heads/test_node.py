import pytest
import torch
from torch import nn

from hyperdnn import ParamLayout, ParamSpec
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.heads import NodeHead
from hyperdnn.heads._by_node import fixed_signs
from hyperdnn.layout import Architecture

NET = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4), nn.Linear(4, 2))


def test_equal_shapes_share_a_map_which_makes_each_tensor_from_its_row() -> None:
    layout = ParamLayout.of(NET)
    head = NodeHead(6, layout, dtype=torch.float64)
    assert head.shapes == ((2,), (2, 4), (4,), (4, 4))
    features = torch.randn(4, 6, dtype=torch.float64)
    made, unit = head(features), features / features.square().mean(-1, keepdim=True).sqrt()
    for spec in layout:
        layer, leaf = spec.name.split(".")
        turn = 0 if leaf == "weight" else 1
        row = unit[int(layer)] * fixed_signs(0, turn + 1, like=unit)[-1]
        flat = head.linears[head.shapes.index(spec.shape)](row)
        torch.testing.assert_close(made[spec.name], (spec.init_mean + spec.init_std * flat).reshape(spec.shape))


def test_a_norms_gain_and_bias_are_told_apart() -> None:
    specs = tuple(ParamSpec(name=f"norm.{leaf}", shape=(6,)) for leaf in ("weight", "bias"))
    made = NodeHead(8, ParamLayout(specs))(torch.randn(1, 8))
    assert not torch.allclose(made["norm.weight"], made["norm.bias"], atol=1e-2)


def test_moments_are_those_of_the_layout() -> None:
    torch.manual_seed(0)
    layout = ParamLayout.of(nn.Sequential(nn.Linear(30, 40), nn.LayerNorm(40), nn.Linear(40, 10)))
    head = NodeHead(64, layout)
    weights = head(torch.randn(300, head.slots, 64))
    for spec in layout:
        assert weights[spec.name].mean().item() == pytest.approx(spec.init_mean, abs=0.03)
        assert weights[spec.name].std().item() == pytest.approx(spec.init_std, rel=0.25, abs=1e-6)


def test_architectures_of_known_shapes_come_with_the_call() -> None:
    nets = [nn.Sequential(*(nn.Linear(4, 4) for _ in range(n)), nn.Linear(4, 2)) for n in (1, 3)]
    archs = [Architecture.of(net) for net in nets]
    head = NodeHead(8, shapes=NodeHead.shapes_of(one.layout for one in archs[:1]))
    for arch in archs:
        features = torch.randn(2, len(arch.nodes), 8)
        assert arch.layout.check(head.decode(features, arch)) == (2,)
    own = NodeHead(8, archs[1].layout, owner=archs[1].owner, slots=len(archs[1].nodes))
    own.load_state_dict(head.state_dict())
    for name, weight in own(features).items():
        assert torch.equal(weight, head.decode(features, archs[1])[name])


def test_what_does_not_fit_is_refused() -> None:
    head = NodeHead(8, shapes=[(4, 4), (4,)])
    arch = Architecture.of(nn.Linear(4, 3))
    words = (
        r"'weight' has the shape \(3, 4\), which this NodeHead has no map for \(the nearest: \(4, 4\).*use TiledHead"
    )
    with pytest.raises(LayoutError, match=words):
        head.decode(torch.randn(len(arch.nodes), 8), arch)
    with pytest.raises(LayoutError, match=r"'weight' has the shape \(3, 4\)"):
        NodeHead(8, arch.layout, shapes=[(4, 4), (4,)])
    with pytest.raises(ConfigError, match=r"pass a layout, or shapes=NodeHead\.shapes_of\(layouts\)"):
        NodeHead(8)
    with pytest.raises(ConfigError, match=r"no layout of its own: pass NodeHead\(hidden, layout\), or call decode"):
        head(torch.randn(1, 8))
    with pytest.raises(ConfigError, match=r"NodeHead: expected one row for each of 3 nodes, .*got \(2, 8\)"):
        head.decode(torch.randn(2, 8), arch)
