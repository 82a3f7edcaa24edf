from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.errors import LayoutError
from hyperdnn.export._lora_layers import Adapter, adapters
from hyperdnn.nn import LoRA


class Conv1D(nn.Module):
    """The linear layer of GPT-2 in transformers: its weight is (in, out)."""

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.nf = nf
        self.weight = nn.Parameter(torch.randn(nx, nf))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


def _adapters(net: nn.Module, select: str = "*.lora_*", **options: str) -> dict[str, Adapter]:
    target = hd.Target(net, select=select, **options)
    return adapters(target, {spec.name: torch.randn(spec.shape) for spec in target.replaced})


def _alone(layer: nn.Module, rank: int = 2) -> Adapter:
    net = nn.Sequential(layer).requires_grad_(False)
    targets.attach_lora(net, "0", rank, alpha=6.0)
    return _adapters(net)["0"]


@pytest.mark.parametrize(
    ("layer", "shapes", "transposed"),
    [
        (nn.Linear(6, 5), {"lora_A.weight": (2, 6), "lora_B.weight": (5, 2)}, False),
        (Conv1D(5, 6), {"lora_A.weight": (2, 6), "lora_B.weight": (5, 2)}, True),
        (nn.Embedding(9, 5), {"lora_embedding_A": (2, 9), "lora_embedding_B": (5, 2)}, False),
        (nn.Conv2d(4, 6, 3), {"lora_A.weight": (2, 4, 3, 3), "lora_B.weight": (6, 2, 1, 1)}, False),
    ],
)
def test_names_and_shapes_are_pefts(layer: nn.Module, shapes: dict[str, tuple[int, ...]], transposed: bool) -> None:
    adapter = _alone(layer)
    assert {key: tuple(tensor.shape) for key, tensor in adapter.tensors.items()} == shapes
    assert (adapter.rank, adapter.alpha, adapter.transposed) == (2, 6.0, transposed)


def test_the_ranks_of_all_groups_are_counted_and_see_all_channels() -> None:
    net, x = nn.Sequential(nn.Conv1d(6, 9, 2, groups=3)).requires_grad_(False), torch.randn(2, 6, 5)
    targets.attach_lora(net, "0", 2, alpha=5.0)
    weights = {f"0.lora_{side}.weight": torch.randn_like(net.get_parameter(f"0.lora_{side}.weight")) for side in "ab"}
    target = hd.Target(net, select="*.lora_*")
    change = target(weights, x) - net[0].base(x)
    adapter = adapters(target, weights)["0"]
    a, b = adapter.tensors.values()
    assert (a.shape, adapter.rank, adapter.alpha) == ((6, 6, 2), 6, 15.0)
    torch.testing.assert_close(F.conv1d(F.conv1d(x, a), b, groups=3) * adapter.alpha / adapter.rank, change)


def _film() -> nn.Module:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).requires_grad_(False)
    targets.attach_lora(net, "0", 2)
    targets.attach_film(net, "1")
    return net


def _trained() -> nn.Module:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    targets.attach_lora(net, "0", 2)
    net[0].base.requires_grad_(False)
    return net


def _twice() -> nn.Module:
    shared = nn.Linear(4, 4).requires_grad_(False)
    net = nn.Sequential(shared, nn.Tanh(), shared)
    targets.attach_lora(net, "0", 2)
    return net


@pytest.mark.parametrize(
    ("make", "select", "message"),
    [
        (_film, "*", r"'0.base.weight' is generated and is not LoRA. .* model.bake\(context\)"),
        (_film, "*.film.*", "'1.film.gain' is generated and is not LoRA"),
        (_film, "*.lora_*", "'1' has film behind it, which is not LoRA"),
        (_trained, "*.lora_*", r"'1.weight' is trained and is not LoRA. .*requires_grad_\(False\) before attach_lora"),
        (_twice, "*.lora_*", "'2' and '0' are one layer, whose LoRA PEFT would put into one of the two places only"),
    ],
)
def test_what_is_not_lora_is_named(make: Callable[[], nn.Module], select: str, message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        _adapters(make(), select)


def test_the_root_has_no_name() -> None:
    with pytest.raises(LayoutError, match="PEFT wants it inside of a module"):
        _adapters(LoRA(nn.Linear(4, 4).requires_grad_(False), 2), "lora_*")


@pytest.mark.parametrize("policy", ["batch", "shared", "per_context"])
def test_running_statistics_of_ones_own_are_refused(policy: str) -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).requires_grad_(False)
    targets.attach_lora(net, "0", 2)
    with pytest.raises(LayoutError, match=rf"buffers='{policy}'\) are not the base's own"):
        _adapters(net, buffers=policy)


def test_the_bases_own_statistics_stay_in_the_base() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).requires_grad_(False)
    targets.attach_lora(net, "0", 2)
    assert _adapters(net, buffers="frozen").keys() == {"0"}


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (nn.Conv2d(4, 6, 3, dilation=2), "dilation"),
        (nn.Conv1d(4, 6, 3, padding=1, padding_mode="circular"), "padding mode"),
        (nn.Embedding(9, 5, max_norm=1.0), "max_norm"),
    ],
)
def test_a_layer_that_peft_has_no_form_of_is_named(layer: nn.Module, what: str) -> None:
    with pytest.raises(LayoutError, match=rf"'0' has .*{what}.* model.bake"):
        _alone(layer)
