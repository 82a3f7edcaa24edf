import copy
import pickle

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.layout import Architecture


class Net(nn.Module):
    def __init__(self, depth: int = 2, width: int = 5) -> None:
        super().__init__()
        self.enter = nn.Linear(3, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.out = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for layer in self.layers:
            x = x + layer(x).relu()
        return self.out(x)


ARCHS = [Architecture.of(Net(depth, width)) for depth, width in ((0, 4), (2, 5), (3, 20))]


def build(body: nn.Module | None = None, head: nn.Module | None = None) -> hd.GraphHypernet:
    nodes = encoders.Nodes(encoders.Nodes.vocabulary_of(ARCHS), 6)
    return hd.GraphHypernet(nodes=nodes, body=body or bodies.Graph(6, 8), head=head or heads.TiledHead(8))


def test_one_hypernet_makes_weights_for_every_architecture_and_they_run() -> None:
    hypernet, x = build(), torch.randn(7, 3)
    for arch in ARCHS:
        weights = hypernet(arch)
        assert arch.layout.check(weights) == ()
        target = hd.Target.of(arch)
        y = target(weights, x)
        torch.testing.assert_close(y, torch.func.functional_call(arch.module, weights, (x,)))
        y.square().mean().backward()
    assert [name for name, p in hypernet.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(
    ("body", "head"),
    [
        (None, None),
        (bodies.Graph(6, 8, virtual=1, rounds=2), heads.TiledHead(8, tile=(4, 4))),
        (bodies.MLP(6, 8), None),
        (None, heads.NodeHead(8, shapes=heads.NodeHead.shapes_of(arch.layout for arch in ARCHS))),
    ],
)
def test_together_is_one_by_one(body: nn.Module | None, head: nn.Module | None) -> None:
    hypernet = build(body, head)
    together = hypernet.batch([*ARCHS, ARCHS[0]])
    assert len(together) == 4
    for arch, weights in zip([*ARCHS, ARCHS[0]], together, strict=True):
        assert tuple(weights) == arch.layout.names
        for name, alone in hypernet(arch).items():
            torch.testing.assert_close(weights[name], alone, atol=1e-6, rtol=1e-6)
    assert hypernet.batch([]) == []


def test_what_a_layer_gets_depends_on_the_rest_of_the_network() -> None:
    longer = copy.deepcopy(ARCHS[2].module)
    longer.layers.append(nn.Linear(20, 20))
    for hypernet, alike in ((build(), False), (build(bodies.MLP(6, 8)), True)):
        before, after = (hypernet(arch)["enter.weight"] for arch in (ARCHS[2], Architecture.of(longer)))
        assert torch.allclose(before, after, atol=1e-5) == alike


def test_a_parameter_used_twice_is_generated_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.once = nn.Linear(3, 3)
            self.tied = nn.Linear(3, 3, bias=False)
            self.tied.weight = self.once.weight
            self.unused = nn.Parameter(torch.ones(2))

        def forward(self, x: Tensor) -> Tensor:
            return self.tied(self.once(self.once(x)))

    arch = Architecture.of(Twice())
    nodes = encoders.Nodes(encoders.Nodes.vocabulary_of([arch]), 6)
    weights = hd.GraphHypernet(nodes=nodes, body=bodies.Graph(6, 8), head=heads.TiledHead(8))(arch)
    assert set(weights) == {"once.weight", "once.bias", "unused"}
    w, b, x = weights["once.weight"], weights["once.bias"], torch.randn(4, 3)
    torch.testing.assert_close(hd.Target.of(arch)(weights, x), ((x @ w.mT + b) @ w.mT + b) @ w.mT)


def test_a_part_of_the_network_can_be_generated() -> None:
    arch = Architecture.of(Net(), "layers.*")
    weights, x = build()(arch), torch.randn(4, 3)
    assert set(weights) == {f"layers.{i}.{leaf}" for i in range(2) for leaf in ("weight", "bias")}
    expected = torch.func.functional_call(arch.module, weights, (x,))
    torch.testing.assert_close(hd.Target.of(arch)(weights, x), expected)


def test_a_body_and_a_head_of_ones_own() -> None:
    class Sum(nn.Module):
        def propagate(self, features: Tensor, graph: hd.layout.Graph) -> Tensor:
            out = features.clone()
            for start, to in graph.edges:
                out[to] = out[to] + features[start]
            return out

    assert ARCHS[1].layout.check(build(Sum(), heads.TiledHead(6))(ARCHS[1])) == ()


def test_copies_types_and_devices() -> None:
    hypernet = build()
    for twin in (copy.deepcopy(hypernet), pickle.loads(pickle.dumps(hypernet))):
        for name, weight in twin(ARCHS[1]).items():
            assert torch.equal(weight, hypernet(ARCHS[1])[name])
    other = build()
    other.load_state_dict(hypernet.state_dict(), strict=True)
    assert torch.equal(other(ARCHS[1])["out.weight"], hypernet(ARCHS[1])["out.weight"])
    for dtype in (torch.float64, torch.bfloat16):
        weights = hypernet.to(dtype)(ARCHS[1])
        assert {w.dtype for w in weights.values()} == {dtype}
    double = Architecture.of(Net().double())
    y = hd.Target.of(double)(hypernet.double()(double), torch.randn(4, 3, dtype=torch.float64))
    assert y.dtype == torch.float64


@pytest.mark.parametrize("combine", [hd.targets.Residual(), hd.targets.Scale(), hd.targets.LowRank(2)])
def test_a_change_of_an_architectures_own_weights_starts_at_zero(combine: hd.protocols.Combine) -> None:
    hypernet, x = build(), torch.randn(7, 3)
    for arch in ARCHS:
        target, changing = hd.Target.of(arch, combine=combine), arch.generating(combine.specs)
        weights = hypernet(changing)
        assert target.layout == changing.layout
        torch.testing.assert_close(target(weights, x), arch.module(x))
        target(weights, x).square().mean().backward()
    assert hypernet.head.gains.gains.grad.any()


def test_a_hypernet_of_graph_hypernets() -> None:
    nest = hd.Target(build().double())
    weights = {spec.name: torch.randn(3, *spec.shape, dtype=torch.float64) / 9 for spec in nest.layout}
    together = nest.batched(weights, ARCHS[1], data_dims=None)
    for i in range(3):
        alone = nest({name: weight[i] for name, weight in weights.items()}, ARCHS[1])
        torch.testing.assert_close({name: weight[i] for name, weight in together.items()}, alone)


def test_generation_differentiates_twice() -> None:
    hypernet, arch = build().double(), ARCHS[1]

    def flat(*parameters: Tensor) -> Tensor:
        given = dict(zip(dict(hypernet.named_parameters()), parameters, strict=True))
        return arch.layout.join(torch.func.functional_call(hypernet, given, (arch,)))[::7]

    for p in hypernet.parameters():
        nn.init.normal_(p, std=0.5)
    assert torch.autograd.gradcheck(flat, tuple(hypernet.parameters()), fast_mode=True)
    assert torch.autograd.gradgradcheck(flat, tuple(hypernet.parameters()), fast_mode=True)


def test_parts_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"body Graph takes 7 features, but Nodes gives 6"):
        build(bodies.Graph(7, 8))
    with pytest.raises(ConfigError, match=r"head TiledHead takes 9 hidden, but Graph gives 8"):
        build(head=heads.TiledHead(9))
    with pytest.raises(ConfigError, match=r"body Attention mixes slots, .*Use bodies\.Graph, or bodies\.MLP"):
        build(bodies.Attention(6, 8))
    with pytest.raises(ConfigError, match=r"head FullHead generates one layout only.*heads\.TiledHead"):
        build(head=heads.FullHead(8, ARCHS[0].layout))
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user: types are checked in tests only
    with pytest.raises(ContextError, match=r"Nodes takes an Architecture, got Net: write Architecture\.of\(module\)"):
        build()(Net())
