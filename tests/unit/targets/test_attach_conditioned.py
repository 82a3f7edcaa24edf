from collections.abc import Callable

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, models, targets
from hyperdnn.errors import ConfigError, LayoutError


def make(layer: nn.Module) -> models.Conditioned:
    target = hd.Target(layer, select="weight")
    encoder, body = encoders.Vector(layer.in_features), bodies.MLP(layer.in_features, 4)
    return models.Conditioned(
        hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=body, head=heads.FullHead(4, target.layout)))
    )


def net() -> nn.Sequential:
    block = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4))
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), block, nn.Linear(4, 2))


def state(module: nn.Module) -> list[tuple[str, str, int, bool]]:
    """Everything that makes a module: which layer and which tensor is where, and the modes."""
    layers = [(name, type(m).__name__, id(m), m.training) for name, m in module.named_modules(remove_duplicate=False)]
    tensors = [(name, "", id(t), t.requires_grad) for name, t in module.named_parameters(remove_duplicate=False)]
    return layers + tensors + [(name, "", id(b), False) for name, b in module.named_buffers()]


@pytest.mark.parametrize(
    ("select", "names"),
    [
        ("2.0", ("2.0",)),
        (nn.Linear, ("0", "2.0", "2.2", "3")),
        (["3", "2.?"], ("2.0", "2.2", "3")),
    ],
    ids=str,
)
def test_each_matched_layer_is_replaced(select: object, names: tuple[str, ...]) -> None:
    module, x = net(), torch.randn(5, 3)
    module[2][1] = nn.Identity()
    layers = dict(module.named_modules())
    assert targets.attach_conditioned(module, select, make) == names
    for name in names:
        made = module.get_submodule(name)
        assert isinstance(made, models.Conditioned)
        assert made.model.target.module is layers[name]
    torch.testing.assert_close(module(x)[3:4], module(x[3:4]))
    module(x).sum().backward()
    assert all(p.grad is not None for p in module.parameters())


def test_a_block_is_replaced_as_a_whole() -> None:
    module, seen = net(), []

    def wrap(layer: nn.Module) -> nn.Module:
        seen.append(layer)
        return nn.Sequential(layer)

    block = module[2]
    assert targets.attach_conditioned(module, "2", wrap) == ("2",)
    assert seen == [block]


def test_a_layer_that_stands_in_the_module_twice_is_made_once() -> None:
    shared = nn.Linear(4, 4)
    module = nn.Sequential(shared, nn.Sequential(nn.Tanh(), shared))
    assert targets.attach_conditioned(module, "*.1", make) == ("0",)
    assert module[0] is module[1][1]
    module(torch.randn(2, 4))


def test_what_is_attached_later_stays_outside() -> None:
    module = net()
    targets.attach_conditioned(module, "0", make)
    names = {name for name, _ in module[0].named_parameters()}
    assert targets.attach_lora(module, nn.Linear, 2) == ("2.0", "2.2", "3")
    assert {name for name, _ in module[0].named_parameters()} == names
    with pytest.raises(LayoutError, match=r"select='0' matches no layer with parameters .* hypernet of its own, only"):
        targets.attach_conditioned(module, "0", make)


def test_torchs_transformer_leaves_its_fused_path() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True)
    module, x = nn.TransformerEncoder(layer, 1).eval(), torch.randn(3, 5, 4)
    mask = torch.arange(5) >= torch.tensor([[5], [4], [3]])
    targets.attach_conditioned(module, "*.linear1", make)  # weights for each token of each sample
    with torch.no_grad():
        evaluated = module(x, src_key_padding_mask=mask)
    torch.testing.assert_close(evaluated, module.train()(x, src_key_padding_mask=mask))


class Fails:
    """Takes the first layer over, and fails at the second."""

    def __init__(self, fail: Callable[[nn.Module], object]) -> None:
        self.fail = fail
        self.calls = 0

    def __call__(self, layer: nn.Module) -> object:
        self.calls += 1
        return make(layer.requires_grad_(False)) if self.calls == 1 else self.fail(layer)


def _raise(layer: nn.Module) -> nn.Module:
    raise RuntimeError("no such hypernet")


@pytest.mark.parametrize(
    ("fail", "error", "words"),
    [
        (_raise, RuntimeError, "no such hypernet"),
        (lambda layer: layer, ConfigError, "'2.0': make returned the Linear itself: expected a module in its place"),
        (lambda layer: None, ConfigError, r"'2.0': make: expected a module, such as models.Conditioned, got NoneType"),
    ],
)
def test_a_failing_make_leaves_the_module_as_it_was(
    monkeypatch: pytest.MonkeyPatch, fail: Callable[[nn.Module], object], error: type[Exception], words: str
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    module, x = net().eval(), torch.randn(5, 3)
    before, y = state(module), module(x)
    with pytest.raises(error, match=words):
        targets.attach_conditioned(module, nn.Linear, Fails(fail))
    assert state(module) == before
    assert torch.equal(module(x), y)
    assert targets.attach_conditioned(module, nn.Linear, make) == ("0", "2.0", "2.2", "3")


@pytest.mark.parametrize(
    ("select", "words"),
    [
        ("1", "matches no layer with parameters that could get a hypernet of its own, only Tanh"),
        ("4", "select='4' matches no layer"),
        (["2", "2.0"], r"'2.0' lies inside '2', which is selected too. Select one of them"),
        ("*", r"'2.0' lies inside '2'"),
    ],
    ids=str,
)
def test_wrong_selections_change_nothing(select: object, words: str) -> None:
    module = net()
    before = state(module)
    with pytest.raises(LayoutError, match=words):
        targets.attach_conditioned(module, select, make)
    assert state(module) == before


def test_a_layer_that_a_target_took_over_is_refused() -> None:
    module = net()
    hd.Target(module, select="0.*")
    with pytest.raises(LayoutError, match="already took over this Linear"):
        targets.attach_conditioned(module, "3", lambda layer: make(module[0]))
    module[0].bias = nn.Parameter(torch.zeros(4))
    with pytest.raises(LayoutError, match="already took over this Linear"):
        targets.attach_conditioned(module, "0", make)


def test_a_block_whose_mode_and_buffers_change_is_undone_too() -> None:
    module = nn.Sequential(nn.BatchNorm1d(3))

    def break_it(layer: nn.Module) -> nn.Module:
        hd.Target(layer, buffers="batch")
        raise RuntimeError("later")

    with pytest.raises(RuntimeError, match="later"):
        targets.attach_conditioned(module, "0", break_it)
    assert isinstance(module[0].running_mean, Tensor)
    assert module[0].track_running_stats


def residual(layer: nn.Module) -> models.Conditioned:
    """Its base weight stays, but as another parameter."""
    target = hd.Target(layer, select="weight", combine=targets.Residual())
    hypernet = hd.Hypernet(encoder=encoders.Vector(4), body=bodies.MLP(4, 4), head=heads.FullHead(4, target.layout))
    return models.Conditioned(hd.HyperDNN(target, hypernet))


@pytest.mark.parametrize("make", [make, residual])
def test_a_tie_is_not_cut_in_silence(make: Callable[[nn.Module], nn.Module]) -> None:
    module = nn.Sequential(nn.Embedding(4, 4), nn.Linear(4, 4))
    module[1].weight = module[0].weight
    before = state(module)
    with pytest.raises(ConfigError, match=r"'1': 'weight' is tied to a parameter of another layer.*Untie them first"):
        targets.attach_conditioned(module, "1", make)
    assert state(module) == before


def test_a_tie_of_what_is_not_generated_stays() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    module[1].bias = module[0].bias
    targets.attach_conditioned(module, "1", make)
    assert module[1].model.target.module.bias is module[0].bias
