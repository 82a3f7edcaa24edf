from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.errors import LayoutError


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def weights_for(target: hd.Target, *contexts: int) -> dict[str, Tensor]:
    return {spec.name: torch.randn(*contexts, *spec.shape) for spec in target.layout}


def test_layout_layer_and_fans_are_those_of_a_larger_network() -> None:
    target, large = (
        hd.Target(net(), "2.*"),
        hd.Target(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 6)), "2.*"),
    )
    asked = target.resized("2", 6)
    assert target.layout["2.bias"].shape == (2,)
    assert target.resize("2", 6) == []
    assert target.layout == asked
    assert target.layout.fingerprint == large.layout.fingerprint
    assert target.module[2].out_features == 6
    for spec in target.layout:
        assert (spec.fan_in, spec.fan_out) == (large.layout[spec.name].fan_in, large.layout[spec.name].fan_out)
    assert target(weights_for(target), torch.randn(5, 3)).shape == (5, 6)
    assert target.batched(weights_for(target, 2), torch.randn(2, 5, 3)).shape == (2, 5, 6)


def test_a_kept_bias_grows_and_stays_trained_or_frozen() -> None:
    for trained in (True, False):
        module = net()
        module[2].bias.requires_grad_(trained)
        old = module[2].bias
        target = hd.Target(module, "2.weight")
        (grown,) = target.resize("2", 5)
        assert grown.old is old
        assert grown.new is target.module[2].bias
        assert torch.equal(grown.new[grown.kept], old)
        assert grown.new.requires_grad == trained
        assert target(weights_for(target), torch.randn(7, 3)).shape == (7, 5)
        assert target.bake(weights_for(target))[2].bias.shape == (5,)


@pytest.mark.parametrize("combine", [targets.Residual(), targets.Scale(), targets.LowRank(1)])
@pytest.mark.parametrize("trained", [True, False])
def test_the_base_grows_like_what_is_there(combine: targets.Residual, trained: bool) -> None:
    torch.manual_seed(0)
    module = nn.Linear(400, 3)
    old = dict(module.named_parameters())
    target = hd.Target(module, combine=combine, train_base=trained)
    grown = target.resize("", 9)
    assert {one.old.shape for one in grown} == {(3, 400), (3,)}
    for name, before in old.items():
        base = target.base[name]
        assert torch.equal(base[:3], before)
        assert base.requires_grad == trained
    fresh = target.base["weight"][3:]
    assert fresh.std().item() == pytest.approx(old["weight"].std().item(), rel=0.1)
    zero = {spec.name: torch.zeros(spec.shape) for spec in target.layout}
    x = torch.randn(2, 400)
    torch.testing.assert_close(target(zero, x), nn.functional.linear(x, target.base["weight"], target.base["bias"]))


def test_a_layer_that_stands_twice_grows_once() -> None:
    layer = nn.Linear(3, 3)
    target = hd.Target(nn.ModuleDict({"a": layer, "b": nn.Identity(), "c": layer}))
    target.resize("c", 4)
    assert target.module["a"].out_features == 4
    assert target.layout["a.weight"].shape == (4, 3)
    assert target.layout["a.weight"].aliases == ("c.weight",)


def test_embeddings_keep_their_padding_row() -> None:
    target = hd.Target(nn.Embedding(4, 3, padding_idx=-1), combine=targets.Residual())
    target.resize("", 6)
    assert target.module.padding_idx == 3
    assert (target.layout["weight"].fan_in, target.layout["weight"].fan_out) == (1, 3)
    zero = {"weight": torch.zeros(2, 6, 3)}
    assert target.batched(zero, torch.tensor([[5, 0], [4, 1]])).shape == (2, 2, 3)


def tied() -> nn.Module:
    module = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
    module[1].weight = module[0].weight
    return module


def kept_and_tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].bias = module[0].bias
    return module


def with_lora() -> nn.Module:
    module = net()
    targets.attach_lora(module, "2", rank=2)
    return module


def with_extra() -> nn.Module:
    module = net()
    module[2].temperature = nn.Parameter(torch.ones(()))
    return module


def with_mask() -> nn.Module:
    module = net()
    module[2].register_buffer("mask", torch.ones(2, 4))
    return module


class Own(nn.Linear):
    """Somebody's layer: who knows what it does with its rows."""


REFUSED: dict[str, tuple[Callable[[], nn.Module], str, str, int, str]] = {
    "misspelt": (net, "*", "3", 5, r"no layer '3'\. Did you mean|no layer '3'\. Known: '0', '2'"),
    "not generated": (net, "0.*", "2", 5, "'2': no parameter of it is generated.*Select it"),
    "as many": (net, "*", "2", 2, "'2' has 2 rows, and 2 were asked for: rows are added"),
    "fewer": (net, "*", "2", 1, "'2' has 2 rows, and 1 were asked for.*never taken away"),
    "none": (lambda: nn.Sequential(nn.Linear(3, 1), nn.Linear(3, 0)), "*", "1", 2, "'1' has 0 rows"),
    "activation": (net, "*", "1", 5, "'1' is a ReLU and cannot get more rows. Layers that can: Bilinear, Conv1d"),
    "container": (net, "*", "", 5, "'' is a Sequential and cannot get more rows"),
    "subclass": (lambda: nn.Sequential(Own(3, 2)), "*", "0", 5, "'0' is a Own and cannot"),
    "attention": (lambda: nn.MultiheadAttention(4, 2), "*", "out_proj", 8, "is a NonDynamicallyQuantizableLinear and"),
    "groups": (lambda: nn.Sequential(nn.Conv1d(4, 4, 1, groups=2)), "*", "0", 6, "'0' is a Conv1d with groups and"),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose1d(4, 4, 1)), "*", "0", 6, "'0' is a ConvTranspose1d and"),
    "norm": (lambda: nn.Sequential(nn.LayerNorm(4)), "*", "0", 6, "'0' is a LayerNorm and"),
    "tied": (tied, "*", "0", 7, r"'0\.weight' is tied to a parameter of another layer"),
    "tied and kept": (kept_and_tied, "*.weight", "0", 7, "'bias' is tied to a parameter of another layer"),
    "attached": (with_lora, "*.lora_*", "2", 5, "'2' belongs to '2', which has something attached"),
    "factor": (with_lora, "*.lora_*", "2.lora_b", 5, "'2.lora_b' belongs to '2', which has something attached"),
    "base": (with_lora, "*", "2.base", 5, "'2.base' belongs to '2', which has something attached"),
    "extra": (with_extra, "2.weight", "2", 5, "'temperature' is not a parameter with a row for each of 2 outputs"),
    "extra generated": (with_extra, "*", "2", 5, r"'2\.temperature' is not a parameter with a row"),
    "mask": (with_mask, "*", "2", 5, "'mask' is not a parameter with a row"),
}


@pytest.mark.parametrize(("make", "select", "name", "rows", "message"), REFUSED.values(), ids=REFUSED)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_what_cannot_grow_says_why_and_stays(
    make: Callable[[], nn.Module], select: str, name: str, rows: int, message: str
) -> None:
    target = hd.Target(make(), select)
    layout, state, shown = target.layout, target.state_dict(), repr(target)
    with pytest.raises(LayoutError, match=message):
        target.resized(name, rows)
    with pytest.raises(LayoutError, match=message):
        target.resize(name, rows)
    assert target.layout is layout
    assert repr(target) == shown
    torch.testing.assert_close(target.state_dict(), state, rtol=0, atol=0)


def test_beside_an_attachment_there_is_room() -> None:
    module = net()
    targets.attach_lora(module, "0", rank=2)
    target = hd.Target(module, ("*.lora_*", "2.*"))
    target.resize("2", 5)
    assert target(weights_for(target), torch.randn(7, 3)).shape == (7, 5)
    assert target.layout.names == ("0.lora_a.weight", "0.lora_b.weight", "2.weight", "2.bias")
