import math
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import ParamLayout, bodies, encoders, init
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.heads import CoordinateHead
from hyperdnn.layout import ParamSpec


@pytest.fixture
def layout() -> ParamLayout:
    module = nn.Sequential(nn.Conv2d(2, 3, (2, 3)), nn.LayerNorm(3), nn.Linear(4, 2))
    module.scale = nn.Parameter(torch.tensor(2.0))
    return ParamLayout.of(module)


def by_hand(head: CoordinateHead, features: Tensor, spec: ParamSpec, where: tuple[int, ...]) -> Tensor:
    """One weight of one context, as the definition says."""
    place = torch.zeros(head.position.in_features, dtype=torch.float64)
    for dim, (i, size) in enumerate(zip(where, spec.shape, strict=True)):
        place[dim] = -1 + (i + 0.5) * 2 / size
    t = head.layout.names.index(spec.name)
    features = features / features.square().mean().sqrt()
    wave = head.features.weight @ features + head.position.weight @ place + head.codes[t]
    for linear in head.linears:
        wave = linear.weight @ wave.sin() + linear.bias
    return head.affine.offset[t] + head.affine.gain[t] * (head.out.weight @ wave.sin())[0]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_each_weight_is_a_function_of_its_place_and_its_tensor(layout: ParamLayout, layers: int) -> None:
    head = CoordinateHead(5, layout, width=6, layers=layers, init=init.naive, dtype=torch.float64)
    for p in head.parameters():
        nn.init.normal_(p)
    features = torch.randn(2, 5, dtype=torch.float64)
    weights = head(features)
    for spec in layout:
        for c in range(2):
            for where in product(*map(range, spec.shape)):
                found, expected = weights[spec.name][(c, *where)], by_hand(head, features[c], spec, where)
                torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_the_number_of_parameters_is_that_of_a_small_target() -> None:
    small, large = (CoordinateHead(16, ParamLayout.of(nn.Linear(n, n))) for n in (4, 100))
    assert [p.shape for p in small.parameters()] == [p.shape for p in large.parameters()]
    assert list(large.state_dict()) == list(small.state_dict())


def test_moments_are_those_of_the_layout_over_draws() -> None:
    """Also of tensors so small that their own numbers say nothing of a variance."""
    torch.manual_seed(0)
    specs = [
        ParamSpec(name="matrix", shape=(6, 9), init_mean=0.5, init_std=0.2),
        ParamSpec(name="bias", shape=(3,), init_mean=-1.0, init_std=2.0),
        ParamSpec(name="number", shape=(), init_std=0.3),
        ParamSpec(name="gain", shape=(4,), init_mean=1.0, init_std=0.0),
    ]
    layout = ParamLayout(tuple(specs))
    draws = [CoordinateHead(8, layout)(torch.randn(8)) for _ in range(400)]
    for spec in layout:
        found = torch.stack([draw[spec.name] for draw in draws])
        torch.testing.assert_close(
            found.mean(0), torch.full(spec.shape, spec.init_mean), rtol=0, atol=0.2 * spec.init_std
        )
        torch.testing.assert_close(found.std(0), torch.full(spec.shape, spec.init_std), rtol=0.15, atol=0)


def neighbours(frequency: float | None) -> float:
    """Correlation of weights that lie side by side, over draws."""
    layout = ParamLayout((ParamSpec(name="w", shape=(20, 20)),))
    draws = torch.stack([CoordinateHead(8, layout, frequency=frequency)(torch.randn(8))["w"] for _ in range(50)])
    return (draws[:, 1:] * draws[:, :-1]).mean().item() / draws.square().mean().item()


def test_neighbours_are_independent_unless_asked_otherwise() -> None:
    torch.manual_seed(0)
    assert abs(neighbours(None)) < 0.1
    assert 0.8 < neighbours(2.0) < 1


def test_small_tensors_of_a_smooth_head_are_nearly_constant(layout: ParamLayout) -> None:
    torch.manual_seed(0)
    draws = [CoordinateHead(8, layout, frequency=0.1, init=init.naive)(torch.randn(8))["0.bias"] for _ in range(100)]
    assert torch.stack(draws).std(1).mean() < 0.15 * torch.stack(draws).std()


class Deep(nn.Module):
    """Ten layers, wide and narrow, whose start shows every mistake."""

    def __init__(self) -> None:
        super().__init__()
        widths = [32, 48, 24, 32, 40, 16, 32, 32, 48, 32, 32]
        self.layers = nn.ModuleList(map(nn.Linear, widths[:-1], widths[1:]))
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return x


def ratios(**options: float) -> Tensor:
    """Logarithms of each layer's activation over that of plain networks, averaged over draws."""
    logs = []
    for seed in range(4):
        torch.manual_seed(seed)
        target = hd.Target(Deep())
        head = CoordinateHead(64, target.layout, **options)
        hypernet = hd.Hypernet(encoder=encoders.Table(16, 32), body=bodies.MLP(32, 64, 64), head=head)
        report = hd.inspect.check_init(hd.HyperDNN(target, hypernet), torch.randn(16, 32), references=4)
        logs.append([math.log(max(layer.ratio, 1e-30)) for layer in report.layers])
    return torch.tensor(logs).mean(0)


@pytest.mark.filterwarnings("ignore")  # single draws stray, as those of other heads do
def test_a_deep_target_starts_where_plain_networks_start() -> None:
    assert ratios().abs().max() < math.log(3)


@pytest.mark.filterwarnings("ignore")
def test_a_smooth_start_is_far_off() -> None:
    assert ratios(frequency=3.0).abs().max() > math.log(10)


def test_decoding_its_own_layout_is_generating(layout: ParamLayout) -> None:
    head = CoordinateHead(8, layout)
    features = torch.randn(2, 3, 8)
    torch.testing.assert_close(head.decode(features, layout), head(features), rtol=0, atol=0)


def test_a_finer_layer_is_the_same_function() -> None:
    """A smooth layer, read at twice the resolution, does to a finer input what it did to the coarse one."""
    torch.manual_seed(0)
    coarse, fine = nn.Linear(16, 10), nn.Linear(32, 20)
    nn.init.normal_(coarse.weight, std=0.3)
    layout, finer = ParamLayout.of(coarse), ParamLayout.of(fine)
    head = CoordinateHead(8, layout, frequency=2.0)
    features = torch.randn(8)
    weights, more = head(features), head.decode(features, finer)
    assert finer.check(more) == ()
    x = torch.linspace(0, 3, 16).sin()
    y = nn.functional.linear(x, weights["weight"], weights["bias"])
    seen = nn.functional.linear(x.repeat_interleave(2), more["weight"], more["bias"])
    torch.testing.assert_close(seen.view(10, 2).mean(1), y, rtol=0.05, atol=0.05 * y.std().item())


def test_a_bias_is_not_divided_among_inputs(layout: ParamLayout) -> None:
    layout = ParamLayout.of(nn.Linear(4, 3))
    head = CoordinateHead(8, layout)
    features = torch.randn(5, 8)
    wide = head.decode(features, ParamLayout.of(nn.Linear(12, 3)))
    torch.testing.assert_close(wide["bias"], head(features)["bias"], rtol=0, atol=0)
    centres = wide["weight"][:, :, 1::3]  # every third cell of twelve has its centre where one of four has it
    torch.testing.assert_close(centres * 3, head(features)["weight"], rtol=1e-3, atol=1e-3)


def test_only_the_same_tensors_can_be_decoded() -> None:
    head = CoordinateHead(8, ParamLayout.of(nn.Linear(3, 2)))
    for other in (nn.Linear(3, 2, bias=False), nn.Bilinear(3, 3, 2), nn.Conv1d(3, 2, 1)):
        with pytest.raises(
            LayoutError, match=r"decode takes the same tensors in other sizes, but in the head's layout '"
        ):
            head.decode(torch.randn(8), ParamLayout.of(other))


def test_it_is_saved_with_the_frequency_that_it_chose(tmp_path: Path) -> None:
    def net() -> nn.Module:
        return nn.Sequential(nn.Linear(5, 12), nn.Linear(12, 2))

    target = hd.Target(net())
    head = CoordinateHead(6, target.layout, width=7)
    assert head.frequency == pytest.approx(12 * math.pi / 2)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=encoders.Vector(4), body=bodies.Linear(4, 6), head=head))
    model.save_pretrained(tmp_path)
    again = hd.HyperDNN.from_pretrained(tmp_path, target=net())
    context = torch.randn(3, 4)
    torch.testing.assert_close(again.generate(context), model.generate(context), rtol=0, atol=0)
    with pytest.raises(ConfigError, match="CoordinateHead cannot grow"):
        again.resize("1", 3)


def test_it_learns() -> None:
    torch.manual_seed(0)
    layout = ParamLayout.of(nn.Linear(8, 8))
    head = CoordinateHead(4, layout, width=32)
    wanted, features = torch.randn(3, 8, 8) * 0.2, torch.eye(4)[:3]
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    losses = []
    for _ in range(80):
        loss = (head(features)["weight"] - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_a_single_number_is_a_target() -> None:
    layout = ParamLayout((ParamSpec(name="number", shape=()),))
    assert CoordinateHead(3, layout)(torch.randn(2, 3))["number"].shape == (2,)


@pytest.mark.parametrize("options", [{"width": 0}, {"layers": 0}, {"frequency": 0.0}, {"frequency": math.inf}], ids=str)
def test_sizes_are_positive(layout: ParamLayout, options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"{next(iter(options))}={next(iter(options.values()))}.*expected positive"):
        CoordinateHead(3, layout, **options)


def model(module: nn.Module, dtype: torch.dtype, device: torch.device | None = None) -> hd.HyperDNN:
    target = hd.Target(module)
    head = CoordinateHead(5, target.layout, dtype=dtype, device=device)
    body = bodies.MLP(3, 5, dtype=dtype, device=device)
    return hd.HyperDNN(target, hd.Hypernet(encoder=encoders.Vector(3), body=body, head=head))


def test_positions_have_the_precision_of_the_head_after_loading_too(tmp_path: Path) -> None:
    """From a file the head is made in single precision, and then turned into what it was."""
    saved = model(nn.Linear(40, 30).double(), torch.float64)
    saved.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=nn.Linear(40, 30).double())
    context = torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(loaded.generate(context), saved.generate(context), rtol=0, atol=0)


def test_nothing_is_lost_on_the_meta_device() -> None:
    filled, empty = model(nn.Linear(4, 3), torch.float32), model(nn.Linear(4, 3), torch.float32, torch.device("meta"))
    empty.to_empty(device="cpu").load_state_dict(filled.state_dict())
    context = torch.randn(3)
    torch.testing.assert_close(empty.generate(context), filled.generate(context), rtol=0, atol=0)


def test_autocast_does_not_blur_phases() -> None:
    made = model(nn.Linear(40, 30), torch.float32)
    features = torch.randn(2, 5)
    expected = made.hypernet.head(features)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(made.hypernet.head(features), expected)
        larger = ParamLayout.of(nn.Linear(80, 30))
        assert made.hypernet.head.decode(features.bfloat16(), larger)["weight"].dtype == torch.float32
        made(torch.randn(2, 40), context=torch.randn(3)).sum().backward()
