import copy
from functools import partial
from typing import Any

import jaxtyping
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import encoders, heads
from hyperdnn.bodies import MLP, Deconv
from hyperdnn.errors import ConfigError

OPTIONS = {
    "residual": {"residual": True},
    "norm": {"norm": "layer"},
    "sine": {"activation": "sine"},
    "sine-residual": {"activation": "sine", "residual": True},
    "weight": {"reparametrize": "weight"},
    "spectral": {"reparametrize": "spectral"},
    "spectral-residual": {"reparametrize": "spectral", "residual": True},
}
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))


@pytest.mark.parametrize("lead", [(), (1,), (4,), (2, 3, 5)])
def test_every_row_is_treated_alike(lead: tuple[int, ...]) -> None:
    body = MLP(3, 8, 5)
    features = torch.randn(*lead, 3)
    out = body(features)
    assert out.shape == (*lead, 5)
    torch.testing.assert_close(out.reshape(-1, 5), torch.stack([body(row) for row in features.reshape(-1, 3)]))


def test_widths_are_those_asked_for_each_with_its_activation() -> None:
    body = MLP(3, 8, 5, activation="tanh")
    assert (body.features, body.widths, body.hidden) == (3, (8, 5), 5)
    kinds = [(type(layer), getattr(layer, "out_features", None)) for layer in body.layers]
    assert kinds == [(nn.Linear, 8), (nn.Tanh, None), (nn.Linear, 5), (nn.Tanh, None)]
    assert body(100 * torch.randn(50, 3)).abs().max() <= 1


def test_the_second_moment_is_kept_through_many_relu_layers() -> None:
    torch.manual_seed(0)
    out = MLP(256, *[256] * 10)(torch.randn(100, 256))
    assert 0.3 < out.square().mean().item() < 3


@pytest.mark.parametrize("features", [1, 2, 300])
@pytest.mark.parametrize("body", [MLP, partial(MLP, reparametrize="weight"), partial(Deconv, slots=3)])
def test_it_keeps_the_second_moment_of_however_few_inputs(body: Any, features: int) -> None:
    torch.manual_seed(0)
    out = body(features, 800, 800, activation="identity")(torch.randn(100, features))
    assert out.square().mean().item() == pytest.approx(1, rel=0.2)


@every_option
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("width", [1, 2])
def test_it_sees_how_far_a_context_is_and_not_only_in_which_direction(
    options: dict[str, object], activation: str, width: int
) -> None:
    torch.manual_seed(0)
    body = MLP(width, 64, 64, **{"activation": activation, **options})
    near, far = F.normalize(body(torch.tensor([0.25, 1.0])[:, None].expand(-1, width)), dim=-1)
    assert (near - far).norm() > 0.05


def test_biases_of_later_layers_start_at_zero() -> None:
    body = MLP(3, 8, 5)
    assert body.layers[0].bias.abs().min() > 0
    assert torch.equal(body.layers[2].bias, torch.zeros(5))


def test_dtype_follows_the_argument() -> None:
    assert {p.dtype for p in MLP(3, 8, dtype=torch.float64).parameters()} == {torch.float64}


def test_it_needs_a_width_and_a_known_activation() -> None:
    with pytest.raises(ConfigError, match="MLP needs at least one width"):
        MLP(3)
    with pytest.raises(ConfigError, match="activation 'gelo' is unknown"):
        MLP(3, 8, activation="gelo")


def test_names_are_those_of_the_layers() -> None:
    assert list(MLP(3, 8, 5).state_dict()) == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]


def test_a_residual_adds_the_input_where_widths_agree() -> None:
    body = MLP(3, 8, 8, 8, 5, residual=True)
    x = torch.randn(4, 3)
    first, second, third, last = [m for m in body.modules() if isinstance(m, nn.Linear)]
    h = first(x).relu()
    h = h + second(h).relu() / 2
    h = h + third(h).relu() / 2
    torch.testing.assert_close(body(x), last(h).relu())


def test_a_norm_stands_between_linear_layer_and_activation() -> None:
    body = MLP(3, 8, activation="identity", norm="layer")
    out = body(5 + 3 * torch.randn(20, 3))
    torch.testing.assert_close(out.mean(-1), torch.zeros(20), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(-1, correction=0), torch.ones(20), atol=1e-3, rtol=0)


def test_sine_layers_start_as_published() -> None:
    body = MLP(4, 600, 600, activation="sine", w0=20.0)
    first, second = body.layers[0].weight.abs().max().item(), body.layers[2].weight.abs().max().item()
    assert first == pytest.approx(1 / 4, rel=0.02)
    assert second == pytest.approx(0.1 / 20, rel=0.02)
    x = torch.randn(3, 4)
    torch.testing.assert_close(body.layers[:2](x), (20 * body.layers[0](x)).sin())


def test_dropout_acts_in_training_only() -> None:
    body, x = MLP(3, 64, activation="identity", dropout=0.5), torch.randn(100, 3)
    assert 0.4 < (body(x) == 0).float().mean().item() < 0.6
    assert (body.eval()(x) != 0).all()
    assert torch.equal(body(x), body(x))


def test_weight_norm_changes_the_parameters_not_the_start() -> None:
    torch.manual_seed(0)
    plain = MLP(3, 8, 5)
    torch.manual_seed(0)
    body, x = MLP(3, 8, 5, reparametrize="weight"), torch.randn(4, 3)
    torch.testing.assert_close(body(x), plain(x))
    with torch.no_grad():
        body.layers[2].parametrizations.weight.original0.mul_(2)  # the lengths of the rows
    torch.testing.assert_close(body(x), 2 * plain(x))


def test_spectral_norm_holds_each_norm_at_one_while_training() -> None:
    body = MLP(6, 16, 5, reparametrize="spectral", activation="tanh")
    optimizer = torch.optim.SGD(body.parameters(), lr=1.0)
    for _ in range(30):
        optimizer.zero_grad()
        (-body(torch.randn(32, 6)).square().mean()).backward()
        optimizer.step()
    body(torch.randn(1, 6))
    for linear in (body.layers[0], body.layers[2]):
        assert torch.linalg.matrix_norm(linear.weight, 2).item() == pytest.approx(1, abs=0.05)
        assert torch.linalg.matrix_norm(linear.parametrizations.weight.original, 2).item() > 1.05


@every_option
def test_features_neither_die_nor_explode(options: dict[str, object]) -> None:
    torch.manual_seed(0)
    out = MLP(32, *[64] * 10, **options)(torch.randn(200, 32))
    assert 1e-4 < out.square().mean().item() < 8  # heads scale to one, but cannot lift rounding errors
    cosines = F.cosine_similarity(out[:100], out[100:])
    assert cosines.mean().item() < 0.97


@every_option
def test_options_survive_copying_and_saving(options: dict[str, object], tmp_path) -> None:
    def net() -> nn.Module:
        return nn.Linear(2, 3)

    target = hd.Target(net())
    body = MLP(5, 6, 6, dropout=0.1, **options)
    hypernet = hd.Hypernet(encoder=encoders.Table(3, 5), body=body, head=heads.FullHead(6, target.layout))
    model = hd.HyperDNN(target, hypernet).eval()
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=net()).eval()
    x, context = torch.randn(3, 4, 2), torch.arange(3)
    assert torch.equal(loaded(x, context=context), model(x, context=context))
    assert torch.equal(copy.deepcopy(model)(x, context=context), model(x, context=context))
    assert loaded.hypernet.body.dropout == 0.1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"norm": "layr"}, "norm 'layr' is unknown. Did you mean 'layer'?"),
        ({"reparametrize": "wieght"}, "reparametrize 'wieght' is unknown. Did you mean 'weight'?"),
        ({"residual": True}, "residual: no layer of MLP(3, 8) is as wide as its input"),
        ({"activation": "sine", "norm": "layer"}, "activation 'sine' sets the scale of its layers itself"),
        ({"activation": "sine", "reparametrize": "spectral"}, "activation 'sine' sets the scale"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(
    options: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user: types are checked in tests only
    with pytest.raises(ConfigError) as caught:
        MLP(3, 8, **options)
    assert words in str(caught.value)
