import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.errors import LayoutError
from hyperdnn.nn import Attached, Film, LoRA
from hyperdnn.nn._described import described

USES: dict[str, Callable[[Tensor], object]] = {
    "linear": lambda weight: F.linear(torch.randn(2, 6), weight),
    "T": lambda weight: weight.T,
    "add": lambda weight: weight + 1,
    "to": lambda weight: weight.to(torch.float64),
    "data": lambda weight: weight.data,
    "copy_": lambda weight: nn.Linear(6, 5).weight.copy_(weight),
    "unbind": lambda weight: list(weight),
    "item": lambda weight: weight.item(),
    "detach": lambda weight: nn.Parameter(weight),
}


def _stacked(**where: object) -> Attached:
    return Attached(LoRA(nn.Linear(6, 5, **where), 2), "film", Film(5, **where))


@pytest.mark.parametrize("layer", [LoRA(nn.Linear(6, 5, dtype=torch.bfloat16), 2), _stacked(dtype=torch.bfloat16)])
def test_a_wrapped_layers_weight_answers_questions(layer: nn.Module) -> None:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    assert (weight.dtype, weight.device, weight.shape) == (torch.bfloat16, torch.device("cpu"), (5, 6))
    assert (weight.ndim, weight.dim(), weight.size(0), weight.numel()) == (2, 2, 5, 30)
    assert weight.is_floating_point()
    assert not weight.is_complex()
    assert not weight.is_meta
    assert (len(weight), weight.stride(), weight.itemsize, weight.nbytes) == (5, (6, 1), 2, 60)
    assert weight.is_contiguous()
    assert (weight.is_sparse, weight.is_quantized, weight.is_nested) == (False, False, False)
    assert "bfloat16" in repr(weight)
    assert _stacked(device=torch.device("meta")).weight.is_meta


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("layer", [LoRA(nn.Linear(6, 5), 2), _stacked()], ids=["lora", "stacked"])
def test_and_refuses_to_be_computed_with(layer: nn.Module, name: str) -> None:
    with pytest.raises(LayoutError, match=rf"'{name}' would compute .* Call the layer instead; .*LowRank"):
        USES[name](layer.weight)


def test_it_is_no_part_of_the_state() -> None:
    layer = copy.deepcopy(_stacked())
    assert sorted(layer.state_dict()) == [
        *(f"base.base.{leaf}" for leaf in ("bias", "weight")),
        *(f"base.lora_{side}.weight" for side in "ab"),
        *(f"film.{leaf}" for leaf in ("gain", "shift")),
    ]
    assert len(list(layer.parameters())) == 6


def test_it_follows_the_layer_under_vmap_and_its_own_mapped_weight() -> None:
    layer, x = _stacked(), torch.randn(2, 6)

    def call(bias: Tensor, weight: Tensor) -> Tensor:
        own = {"base.base.weight": weight, "film.shift": bias}
        return torch.func.functional_call(Asks(layer), {f"layer.{name}": value for name, value in own.items()}, (x,))

    assert torch.vmap(call)(torch.randn(3, 5), torch.randn(3, 5, 6)).shape == (3, 2, 5)


class Asks(nn.Module):
    """What T5 does."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        weight = self.layer.weight
        if isinstance(weight, Tensor) and x.dtype != weight.dtype and weight.dtype != torch.int8:
            x = x.to(weight.dtype)
        return self.layer(x)


def test_code_that_asks_runs_and_exports() -> None:
    net, x = Asks(_stacked()), torch.randn(2, 6)
    assert torch.equal(net(x.double()), net.layer(x))
    exported = torch.export.export(net.eval(), (x.double(),)).module()  # traced with tensors of a class of their own
    torch.testing.assert_close(exported(x.double()), net(x))


def test_what_has_no_weight_says_so() -> None:
    assert described(nn.GroupNorm(1, 3, affine=False)) is None
    assert described(nn.ReLU()) is None
    assert Attached(nn.GroupNorm(1, 3, affine=False), "film", Film(3)).weight is None
