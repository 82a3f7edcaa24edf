import copy
import math
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, init, targets
from hyperdnn.errors import ContextError
from hyperdnn.inspect import InitReport, LayerStart


def net(depth: int = 4, width: int = 32) -> nn.Sequential:
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*layers)


def model(module: nn.Module, **options: object) -> hd.HyperDNN:
    torch.manual_seed(0)
    return hd.HyperDNN.for_tasks(module, 20, hidden=32, **options)


def check(m: hd.HyperDNN, *shape: int, **options: object) -> InitReport:
    torch.manual_seed(1)
    return hd.check_init(m, torch.randn(*(shape or (16, 32))), generator=torch.Generator().manual_seed(0), **options)


def check_warned(m: hd.HyperDNN) -> tuple[InitReport, tuple[str, ...]]:
    """The report, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = check(m)
    return report, tuple(str(warning.message) for warning in caught)


def test_a_right_start_passes_without_a_word() -> None:
    report = check(model(net()))
    assert report.warnings == ()
    assert [layer.name for layer in report.layers] == ["0", "2", "4", "6"]
    for layer in report.layers:
        assert layer.ratio == pytest.approx(1, rel=0.6)
        assert layer.weight_std == pytest.approx(layer.expected_std, rel=0.2)


def test_an_exploding_start_is_found() -> None:
    report, warned = check_warned(model(net(), init=init.naive))
    assert report.layers[-1].ratio > 1000
    assert warned == report.warnings
    assert warned[-1].startswith("'6' starts exploding: its activations' second moment is")
    assert warned[-1].endswith("Use a head's default init, or init.hyperfan_in for ReLU targets.")


def test_a_dead_start_is_found() -> None:
    m = model(net())
    with torch.no_grad():
        for p in m.hypernet.head.parameters():
            p.mul_(0.01)
    report, warned = check_warned(m)
    assert report.layers[-1].ratio < 0.1
    assert warned[-1].startswith("'6' starts dead")


def test_numbers_that_overflow_are_exploding_not_dead() -> None:
    """Infinities turn to NaN in the next layer."""
    _, warned = check_warned(model(nn.Sequential(*net(70)), init=init.naive))
    assert warned[-1].startswith("'138' starts exploding")


def test_a_layer_that_starts_at_zero_by_itself_is_no_alarm() -> None:
    module = net()
    nn.init.zeros_(module[6].weight)
    nn.init.zeros_(module[6].bias)
    _, warned = check_warned(model(module))
    assert warned == ()


def test_a_scalar_parameter_is_a_layer_like_any_other() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(32, 32)
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.scale * self.linear(x)
            return out

    assert [layer.name for layer in check(model(Scaled())).layers] == ["linear", "(itself)"]


@pytest.mark.parametrize("combine", [targets.Residual(), targets.Scale(), targets.LowRank(2)])
def test_a_change_starts_exactly_at_the_network(combine: targets.Residual) -> None:
    report = check(model(net(), combine=combine))
    assert [layer.ratio for layer in report.layers] == pytest.approx([1, 1, 1, 1])


@pytest.mark.parametrize("policy", ["frozen", "batch", "shared", "per_context"])
def test_activations_are_taken_before_normalisation_under_every_policy(policy: targets.Policy) -> None:
    module = nn.Sequential(nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4))
    report = check(model(module, buffers=policy))
    assert [layer.name for layer in report.layers] == ["0", "1", "3"]
    assert report.layers[0].activation == pytest.approx(report.layers[0].expected_activation, rel=0.5)


def test_only_layers_with_generated_weights_are_looked_at() -> None:
    assert [layer.name for layer in check(model(net(), select="4.*")).layers] == ["4"]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("policy", ["frozen", "shared", "per_context"])
def test_mode_and_state_of_the_model_stay(policy: targets.Policy, training: bool) -> None:
    m = model(nn.Sequential(nn.Linear(32, 8), nn.BatchNorm1d(8)), buffers=policy).train(training)
    before, modes = copy.deepcopy(m.state_dict()), [module.training for module in m.modules()]
    check(m)
    assert [module.training for module in m.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in m.state_dict().items())
    assert all(p.grad is None for p in m.parameters())
    assert not any(module._forward_hooks for module in m.modules())


def test_the_state_of_the_encoder_stays_too() -> None:
    target = hd.Target(net())
    encoder = encoders.FromModule(nn.BatchNorm1d(5), 5)
    m = hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=bodies.MLP(5, 8), head=heads.FullHead(8, target.layout)))
    before = copy.deepcopy(m.state_dict())
    check(m, context=torch.randn(20, 5) + 7)
    assert all(torch.equal(before[name], tensor) for name, tensor in m.state_dict().items())


def test_hooks_and_statistics_go_back_after_an_error() -> None:
    m = model(nn.Sequential(nn.Linear(32, 8), nn.BatchNorm1d(8), nn.Linear(9, 2)), buffers="shared")
    before = copy.deepcopy(m.state_dict())
    with pytest.raises(RuntimeError, match="shapes"):
        check(m)
    assert not any(module._forward_hooks for module in m.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in m.state_dict().items())


def test_recurrent_layers_and_several_inputs() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(3, 4)
            self.linear = nn.Linear(4, 2)

        def forward(self, x: Tensor, scale: Tensor) -> Tensor:
            out: Tensor = self.linear(self.rnn(x)[0]) * scale
            return out

    report = hd.check_init(model(Net()), (torch.randn(5, 2, 3), torch.tensor(2.0)))
    assert [layer.name for layer in report.layers] == ["rnn", "linear"]


@pytest.mark.parametrize("make", [hd.HyperDNN.for_vectors, hd.HyperDNN.for_noise])
def test_contexts_are_drawn_where_they_can_be(make: object) -> None:
    first, second = (check(m) for m in [make(net(), 5)] * 2)
    assert first == second


@pytest.mark.parametrize(
    "encoder",
    [
        encoders.UniformNoise(5),
        encoders.LearnedNoise(5),
        encoders.Simplex(5),
        encoders.ScaledVector([(0.1, 10.0)] * 5, log=[0]),
    ],
    ids=lambda encoder: type(encoder).__name__,
)
def test_every_encoder_that_can_sample_is_asked_for_contexts(encoder: nn.Module) -> None:
    target = hd.Target(net())
    m = hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=bodies.MLP(5, 8), head=heads.FullHead(8, target.layout)))
    assert len(check(m).layers) == 4


def test_contexts_that_cannot_be_guessed_are_asked_for() -> None:
    target = hd.Target(net())
    encoder = encoders.FromModule(nn.Linear(5, 5), 5)
    m = hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=bodies.MLP(5, 8), head=heads.FullHead(8, target.layout)))
    with pytest.raises(ContextError, match="cannot make contexts for FromModule: pass context="):
        check(m)
    assert len(check(m, context=torch.randn(3, 5)).layers) == 4
    with pytest.raises(ContextError, match=r"contexts in one dimension, got \(2, 3\)"):
        check(m, context=torch.randn(2, 3, 5))


def test_a_warning_points_at_the_callers_line(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "import torch, hyperdnn as hd\n"
        "net = torch.nn.Linear(64, 64)\n"
        "model = hd.HyperDNN.for_tasks(net, 2, init=hd.init.naive)\n"
        "hd.check_init(model, torch.randn(8, 64))\n"
    )
    run = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    assert f"{script}:4: UserWarning: '(itself)' starts exploding" in run.stderr


def test_the_printed_table() -> None:
    layer = LayerStart(name="body.0", weight_std=0.1, expected_std=0.1, activation=2.0, expected_activation=4.0)
    lines = str(InitReport((layer,), ("'body.0' starts dead",))).splitlines()
    assert lines[0].split() == ["layer", "weights", "expected", "activation", "expected", "ratio"]
    assert lines[1].split() == ["body.0", "0.1", "0.1", "2", "4", "0.5"]
    assert lines[2] == "'body.0' starts dead"


@pytest.mark.parametrize(("activation", "expected", "ratio"), [(2.0, 4.0, 0.5), (0.0, 4.0, 0.0), (2.0, 0.0, math.inf)])
def test_the_ratio(activation: float, expected: float, ratio: float) -> None:
    layer = LayerStart(name="a", weight_std=0.0, expected_std=0.0, activation=activation, expected_activation=expected)
    assert layer.ratio == ratio
