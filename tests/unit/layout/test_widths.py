import copy
import pickle
from random import Random

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import Architecture, bodies, encoders, heads
from hyperdnn.errors import ContextError, LayoutError
from hyperdnn.layout import Widths

from ...architectures import IMAGE, RandomNet


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 1), nn.Flatten(), nn.Linear(24, 5)
    )


def values(module: nn.Module, *contexts: int) -> dict[str, Tensor]:
    return {name: torch.randn(*contexts, *p.shape, dtype=p.dtype) for name, p in module.named_parameters()}


@pytest.mark.parametrize("contexts", [(), (1,), (0,), (3,), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_slicing_keeps_the_first_channels_and_all_contexts(contexts: tuple[int, ...], dtype: torch.dtype) -> None:
    module = net().to(dtype)
    widths = Widths.of(Architecture.of(module), {"0": 5, "3": 2})
    weights = values(module, *contexts)
    expected = {
        "0.weight": weights["0.weight"][..., :5, :, :, :],
        "0.bias": weights["0.bias"][..., :5],
        "1.weight": weights["1.weight"][..., :5],
        "1.bias": weights["1.bias"][..., :5],
        "3.weight": weights["3.weight"][..., :2, :5, :, :],
        "3.bias": weights["3.bias"][..., :2],
        "5.weight": weights["5.weight"][..., :8],
        "5.bias": weights["5.bias"],
    }
    sliced, masked = widths.slice(weights), widths.mask(weights)
    assert widths.layout.check(sliced) == contexts
    assert widths.wide.check(masked) == contexts
    for name, tensor in expected.items():
        assert sliced[name].equal(tensor)
        assert masked[name].dtype == tensor.dtype == dtype
        inside = tuple(slice(size) for size in tensor.shape)
        assert masked[name][inside].equal(tensor)
        assert masked[name].count_nonzero() == tensor.count_nonzero()


def test_the_layout_is_that_of_the_narrow_network() -> None:
    module = net()
    widths = Widths.of(Architecture.of(module), {"0": 5})
    assert widths.layout["3.weight"].fan_in == 5
    assert widths.layout["0.weight"].init_std == pytest.approx(module[0].weight[:5].std(correction=0).item())
    assert widths.layout == hd.ParamLayout.of(widths.narrow(module))


def test_the_narrow_network_holds_the_first_parameters_and_statistics() -> None:
    module = net().eval()
    module[1].running_mean.normal_()
    before = copy.deepcopy(module.state_dict())
    narrow = Widths.of(Architecture.of(module), {"0": 5}).narrow(module)
    assert (narrow[0].out_channels, narrow[1].num_features, narrow[3].in_channels) == (5, 5, 5)
    assert narrow[1].running_mean.equal(module[1].running_mean[:5])
    assert narrow[3].weight.equal(module[3].weight[:, :5])
    assert narrow[3].weight.is_contiguous()
    assert narrow(torch.randn(2, 3, 4, 4)).shape == (2, 5)
    assert all(value.equal(before[name]) for name, value in module.state_dict().items())
    with torch.no_grad():
        narrow[0].weight.zero_()
    assert module[0].weight.equal(before["0.weight"])  # nothing is shared


def test_a_baked_network_has_what_remains_of_the_weights() -> None:
    module = net()
    module[1].running_mean.copy_(torch.arange(8.0))
    widths = Widths.of(Architecture.of(module), {"0": 5, "3": 2})
    weights, images = values(module), torch.randn(4, 3, 4, 4)
    baked = widths.bake(module, weights)
    target = hd.Target(widths.narrow(module), buffers="frozen")
    torch.testing.assert_close(baked.eval()(images), target(widths.slice(weights), images))
    baked[0].weight.data.zero_()
    assert weights["0.weight"].all()  # its parameters are its own
    with pytest.raises(ContextError, match=r"got weights of \(2,\) contexts: index one"):
        widths.bake(module, values(module, 2))
    with pytest.raises(LayoutError, match=r"'5\.bias': expected"):
        widths.bake(module, {**weights, "5.bias": torch.zeros(4)})


def test_globs_and_the_last_that_matches() -> None:
    architecture = Architecture.of(net())
    widths = Widths.of(architecture, {"*": 8, "3": 2, "5": 5})
    assert widths.layout["0.weight"].shape[0] == 8
    assert widths.layout["3.weight"].shape[:2] == (2, 8)
    whole = Widths.of(architecture, {})
    assert whole.layout == whole.wide == architecture.layout


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ({"0": 0}, "'0': width 0, expected a whole number from 1 to 8"),
        ({"0": 9}, "'0': width 9, expected a whole number from 1 to 8"),
        ({"?": 7}, "'3': width 7, expected a whole number from 1 to 6"),
        ({"1": 4}, r"'1' \(BatchNorm2d\) has no width of its own: it follows its input"),
        ({"conv": 4}, "widths: 'conv' matches no layer that has a width. Known: '0', '3', '5'"),
    ],
)
def test_wrong_widths(widths: dict[str, int], message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        Widths.of(Architecture.of(net()), widths)


def test_a_misspelt_layer_has_a_nearest_one() -> None:
    module = nn.Sequential()
    module.add_module("entrance", nn.Linear(2, 3))
    module.add_module("exit", nn.Linear(3, 2))
    with pytest.raises(LayoutError, match=r"'entrence' matches no layer that has a width. Did you mean 'entrance'"):
        Widths.of(Architecture.of(module), {"entrence": 2})


def test_weights_and_modules_must_be_those_of_the_wide_network() -> None:
    widths = Widths.of(Architecture.of(net()), {"0": 5})
    weights = values(net())
    for change in (widths.slice, widths.mask):
        with pytest.raises(LayoutError, match=r"'5\.bias': expected \(\*contexts, 5\)"):
            change({**weights, "5.bias": torch.zeros(4)})
    with pytest.raises(LayoutError, match=r"Linear is not the network that was measured: '0\.weight'|not the network"):
        widths.narrow(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))


def test_what_is_not_generated_becomes_narrow_too() -> None:
    module = net()
    widths = Widths.of(Architecture.of(module, "3.*"), {"0": 5, "3": 2})
    assert widths.layout.names == ("3.weight", "3.bias")
    target = hd.Target(widths.narrow(module), "3.*", buffers="batch")
    weights = {name: value for name, value in values(module).items() if name in widths.wide}
    assert target(widths.slice(weights), torch.randn(2, 3, 4, 4)).shape == (2, 5)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_of_random_widths(seed: int) -> None:
    random, module = Random(seed), RandomNet(seed, norms=("none", "batch")).double()
    architecture = Architecture.of(module)
    layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}
    chosen: dict[str, int] = {}
    for name in random.sample(sorted(layers), min(3, len(layers))):
        width = random.randint(1, layers[name].weight.shape[0])
        try:
            Widths.of(architecture, {**chosen, name: width})
        except LayoutError:
            continue  # a sum, a depthwise convolution or the output forbids it
        chosen[name] = width
    widths = Widths.of(architecture, chosen)
    weights, x = values(module), torch.randn(3, *IMAGE, dtype=torch.float64)
    wide, narrow = hd.Target.of(architecture, buffers="batch"), hd.Target(widths.narrow(module), buffers="batch")
    torch.testing.assert_close(narrow(widths.slice(weights), x), wide(widths.mask(weights), x), rtol=1e-8, atol=1e-8)


def test_a_hypernet_is_trained_through_slices_of_several_widths() -> None:
    architecture = Architecture.of(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)))
    hypernet = hd.Hypernet(
        encoder=encoders.Vector(1), body=bodies.MLP(1, 16), head=heads.FullHead(16, architecture.layout)
    )
    versions = {width: Widths.of(architecture, {"0": width}) for width in (2, 5, 8)}
    runs = {width: hd.Target(cut.narrow(architecture.module)) for width, cut in versions.items()}
    optimizer = torch.optim.Adam(hypernet.parameters(), lr=3e-2)
    x = torch.randn(32, 2)
    y = x.prod(1, keepdim=True)
    losses = []
    for _ in range(25):
        loss = torch.zeros(())
        for width, cut in versions.items():
            weights = hypernet(torch.tensor([width / 8]))
            loss = loss + (runs[width](cut.slice(weights), x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_mapped_compiled_and_derived_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the checks of the tests cannot be compiled
    module = net().double()
    widths = Widths.of(Architecture.of(module), {"0": 2, "3": 2})
    weights = values(module, 3)
    for change in (widths.slice, widths.mask):
        expected = change(weights)
        for other in (torch.vmap(change)(weights), torch.compile(change, fullgraph=True, backend="eager")(weights)):
            assert all(other[name].equal(value) for name, value in expected.items())
        bias = weights["0.bias"][0].requires_grad_()
        fixed = {**{name: value[0] for name, value in weights.items()}, "0.bias": bias}
        assert torch.autograd.gradcheck(lambda b, f=fixed, c=change: c({**f, "0.bias": b})["0.bias"], bias)
        assert torch.autograd.gradgradcheck(lambda b, f=fixed, c=change: c({**f, "0.bias": b})["0.bias"], bias)


def test_kept_channels_that_do_not_follow_each_other() -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.out = nn.Linear(2, 3), nn.Linear(2, 3), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(torch.cat((self.a(x), self.b(x)), -1))

    widths = Widths.of(Architecture.of(Joined()), {"a": 2, "b": 1})
    weights = values(Joined(), 4)
    assert widths.slice(weights)["out.weight"].equal(weights["out.weight"][..., [0, 1, 3]])
    assert (widths.mask(weights)["out.weight"][..., [2, 4, 5]] == 0).all()


def test_on_the_meta_device() -> None:
    with torch.device("meta"):
        module = net()
    widths = Widths.of(Architecture.of(module), {"0": 5, "3": 2})
    assert widths.slice(values(net()))["0.weight"].shape == (5, 3, 3, 3)
    assert widths.narrow(module)[1].running_var.shape == (5,)


def test_copies_and_pickles() -> None:
    module = net()
    widths = Widths.of(Architecture.of(module), {"0": 5})
    weights = values(module)
    for other in (copy.deepcopy(widths), pickle.loads(pickle.dumps(widths))):
        assert other.layout == widths.layout
        assert all(value.equal(widths.slice(weights)[name]) for name, value in other.slice(weights).items())


def test_tied_parameters_stay_tied() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 4))
    module[2].weight = module[0].weight
    architecture = Architecture.of(module)
    with pytest.raises(LayoutError, match="is used twice"):
        Widths.of(architecture, {"0": 2, "2": 2})  # their inputs differ
    narrow = Widths.of(architecture, {}).narrow(module)
    assert narrow[2].weight is narrow[0].weight
    square = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    square[2].weight = square[1].weight
    narrow = Widths.of(Architecture.of(square), {"0": 3, "1": 3, "2": 3}).narrow(square)
    assert narrow[2].weight is narrow[1].weight
    assert narrow(torch.randn(5, 3)).shape == (5, 2)
