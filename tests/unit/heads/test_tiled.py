import math

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hyperdnn import ParamLayout, ParamSpec
from hyperdnn.errors import ConfigError
from hyperdnn.heads import NodeHead, TiledHead
from hyperdnn.heads._by_node import fixed_signs
from hyperdnn.layout import Architecture


def layout_of(*shapes: tuple[int, ...]) -> ParamLayout:
    return ParamLayout(tuple(ParamSpec(name=f"{i}.w", shape=shape) for i, shape in enumerate(shapes)))


def number(head: TiledHead, row: Tensor, shape: tuple[int, ...], at: tuple[int, ...], *, turn: int = 0) -> Tensor:
    """One number of a tensor, by hand: which tile it lies in, where in the tile, and the dot product."""
    linear, tile = (head.vectors, head.tile[:1]) if len(shape) < 2 else (head.matrices, head.tile)
    if len(shape) < 2:
        shape, at = (math.prod(shape),), at or (0,)
    else:
        missing = len(tile) - len(shape)
        shape, at = (*shape[:2], *(1,) * missing, *shape[2:]), (*at[:2], *(0,) * missing, *at[2:])
    row = row / row.square().mean().sqrt()
    place = []
    for axis, (side, size, i) in enumerate(zip(shape, tile, at, strict=True)):
        which, inside = divmod(i, min(side, size))
        place.append(inside + ((size - min(side, size)) // 2 if axis > 1 else 0))
        row = row * fixed_signs(axis + 1, which + 1, like=row)[-1]
    row = row * fixed_signs(0, turn + 1, like=row)[-1]
    weight = linear.weight.reshape(*tile, -1)
    return row @ weight[tuple(place)] + linear.bias.reshape(tile)[tuple(place)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 7), max_size=4).map(tuple), st.data())
def test_every_number_is_where_it_belongs(shape: tuple[int, ...], data: st.DataObject) -> None:
    head = TiledHead(5, layout_of(shape), tile=(3, 2, 3, 2), dtype=torch.float64)
    nn.init.normal_(head.matrices.bias)
    nn.init.normal_(head.vectors.bias)
    features = torch.randn(1, 5, dtype=torch.float64)
    made = head(features)["0.w"]
    assert made.shape == shape
    if made.numel():
        at = tuple(data.draw(st.integers(0, side - 1)) for side in shape)
        torch.testing.assert_close(made[at], number(head, features[0], shape, at))


@pytest.mark.parametrize(("shape", "merged"), [((4, 3, 2, 3, 5), (4, 3, 6, 5)), ((2, 2, 2, 2, 2, 3), (2, 2, 8, 3))])
def test_surplus_sides_of_a_kernel_count_as_one(shape: tuple[int, ...], merged: tuple[int, ...]) -> None:
    features = torch.randn(2, 5)
    made = TiledHead(5, layout_of(shape, merged), tile=(3, 2, 3, 3))(features[:1].expand(2, 5))
    assert torch.equal(made["0.w"].reshape(merged), made["1.w"])


def test_a_tile_without_a_kernel_takes_kernels_for_inputs() -> None:
    made = TiledHead(5, layout_of((4, 3, 2, 2), (4, 12)), tile=(3, 5))(torch.randn(1, 5).expand(2, 5))
    assert torch.equal(made["0.w"].reshape(4, 12), made["1.w"])


def test_a_narrow_layer_is_part_of_a_wide_one_and_its_kernel_the_middle() -> None:
    layout = layout_of((16, 16, 3, 3), (5, 7, 3, 3), (5, 7), (16, 16, 1, 1), (40, 20))
    made = TiledHead(6, layout)(torch.randn(6).expand(5, 6))
    wide, narrow, linear, point, large = made.values()
    torch.testing.assert_close(narrow, wide[:5, :7])
    torch.testing.assert_close(linear, wide[:5, :7, 1, 1])
    torch.testing.assert_close(point, wide[:, :, 1:2, 1:2])
    torch.testing.assert_close(large[:16, :16], wide[:, :, 1, 1])


def test_repeated_tiles_are_not_copies() -> None:
    torch.manual_seed(0)
    made = TiledHead(64, layout_of((64, 64, 1, 1), (48,)))(torch.randn(2, 64))
    units = made["0.w"].flatten(1)
    likeness = torch.corrcoef(units).fill_diagonal_(0).abs()
    assert likeness.max() < 0.75  # independent rows of 64 numbers; a copy has 1
    assert torch.corrcoef(made["1.w"].reshape(3, 16)).fill_diagonal_(0).abs().max() < 0.95


def test_a_deep_network_of_many_tiles_keeps_its_activations() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(*(m for _ in range(10) for m in (nn.Linear(64, 64), nn.ReLU())))
    for layer in net[::2]:
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    head = TiledHead(64, ParamLayout.of(net))
    x, logs = torch.randn(32, 64), []
    for _ in range(20):
        weights = head(torch.randn(head.slots, 64))
        logs.append(torch.func.functional_call(net, weights, (x,)).square().mean().log())
    assert 1 / 3 < torch.stack(logs).mean().exp() < 3


def test_moments_are_those_of_the_layout_also_where_nothing_varies() -> None:
    torch.manual_seed(0)
    layout = ParamLayout.of(nn.Sequential(nn.Conv2d(8, 40, 3), nn.BatchNorm2d(40), nn.Flatten(), nn.Linear(40, 20)))
    head = TiledHead(32, layout)
    weights = head(torch.randn(300, head.slots, 32))
    for spec in layout:
        assert weights[spec.name].mean().item() == pytest.approx(spec.init_mean, abs=0.03)
        assert weights[spec.name].std().item() == pytest.approx(spec.init_std, rel=0.25, abs=1e-6)
    assert torch.equal(weights["1.weight"], torch.ones(300, 40))
    sum(w.square().sum() for w in weights.values()).backward()
    assert head.gains.gains.grad.count_nonzero() == 4  # convolution, linear, bias and the norm's gain: open to training


def test_a_norms_gain_and_bias_are_told_apart() -> None:
    spec = [ParamSpec(name=f"norm.{leaf}", shape=(6,)) for leaf in ("weight", "bias")]
    made = TiledHead(8, ParamLayout(tuple(spec)))(torch.randn(1, 8))
    assert not torch.allclose(made["norm.weight"], made["norm.bias"], atol=1e-2)


def test_an_architecture_that_comes_with_the_call_is_the_same_as_its_own() -> None:
    net = nn.Sequential(nn.Conv2d(3, 20, 5), nn.BatchNorm2d(20), nn.ReLU(), nn.Flatten(), nn.Linear(20, 2))
    arch = Architecture.of(net)
    own = TiledHead(8, arch.layout, owner=arch.owner, slots=len(arch.nodes))
    free = TiledHead(8)
    free.load_state_dict(own.state_dict())
    features = torch.randn(2, 3, len(arch.nodes), 8)
    assert own.slots == len(arch.nodes)
    for name, weight in own(features).items():
        assert torch.equal(free.decode(features, arch)[name], weight)
    assert arch.layout.check(free.decode(features[:0], arch)) == (0, 3)


def test_signs_are_the_same_for_ever() -> None:
    signs = fixed_signs(1, 1000, like=torch.zeros(64))
    assert signs[0].tolist() == [1.0] * 64
    assert torch.equal(signs[:7], fixed_signs(1, 7, like=torch.zeros(64)))
    assert signs[1, :8].tolist() == [1, 1, 1, -1, -1, 1, -1, -1]  # saved models rely on it
    assert signs.mean().abs() < 0.02
    assert len(signs.unique(dim=0)) == 1000


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = layout_of((2, 3), (2,))
    with pytest.raises(ConfigError, match=r"tile=\(3,\): expected outputs, inputs and the sides of a kernel"):
        TiledHead(5, layout, tile=(3,))
    with pytest.raises(ConfigError, match=r"tile=\(3, 0\): expected .* each above 0"):
        TiledHead(5, layout, tile=(3, 0))
    with pytest.raises(ConfigError, match=r"owner: expected a row from 0 to 1 for each of 2 tensors, got \(0, 2\)"):
        TiledHead(5, layout, owner=(0, 2), slots=2)
    with pytest.raises(ConfigError, match=r"owner: expected a row from 0 to 0 for each of 2 tensors, got \(0,\)"):
        TiledHead(5, layout, owner=(0,))
    with pytest.raises(ConfigError, match=r"owner= and slots= belong to a layout"):
        TiledHead(5, slots=3)
    with pytest.raises(ConfigError, match=r"no layout of its own: pass TiledHead\(hidden, layout\), or call decode"):
        TiledHead(5)(torch.randn(2, 5))
    with pytest.raises(ConfigError, match=r"TiledHead: expected one row for each of 2 nodes, .*got \(3, 5\)"):
        TiledHead(5, layout)(torch.randn(3, 5))
    arch = Architecture.of(nn.Linear(2, 3))
    with pytest.raises(ConfigError, match=r"TiledHead: expected one row for each of 3 nodes, .*got \(5,\)"):
        TiledHead(5).decode(torch.randn(5), arch)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user: types are checked in tests only
    for head in (TiledHead, NodeHead):
        with pytest.raises(
            ConfigError, match=r"expected a ParamLayout, got Architecture\. .*owner=architecture\.owner"
        ):
            head(5, arch)


@pytest.mark.parametrize("make", [TiledHead, NodeHead])
def test_it_runs_under_vmap(make: type[nn.Module]) -> None:
    head = make(5, layout_of((20, 3, 3, 3), (20,), (20, 3, 3, 3)))
    features = torch.randn(4, 3, 5)
    weights = {name: torch.stack([p, 2 * p]) for name, p in head.named_parameters()}
    mapped = torch.vmap(lambda w: torch.func.functional_call(head, w, (features,)))(weights)
    for i in range(2):
        alone = torch.func.functional_call(head, {name: w[i] for name, w in weights.items()}, (features,))
        for name, weight in alone.items():
            torch.testing.assert_close(mapped[name][i], weight)
    for name, weight in torch.vmap(head)(features).items():
        torch.testing.assert_close(weight, head(features)[name])
