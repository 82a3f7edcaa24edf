"""A layer and a low-rank change beside it."""

from typing import Any, final

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from hyperdnn._torch import ConvBase
from hyperdnn.errors import ConfigError
from hyperdnn.nn._channels import is_transposed_linear
from hyperdnn.nn._described import described

__all__ = ["LoRA"]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@final
class LoRA(nn.Module):
    """Adds a low-rank change to a layer's output: ``layer(x) + alpha / rank * lora_b(lora_a(x))``.

    The factors are applied one after the other, their product is never built. ``lora_b`` starts at zero, where the
    output is exactly the layer's; ``lora_a`` starts as torch starts such a layer, so that the first gradient of
    ``lora_b`` is not zero. The layer itself stays as it is, as ``base``: freeze it or not.

    A linear layer has two linear factors, an embedding one embedding and a linear one, and a convolution one of its
    own kind, to ``rank`` channels, and one of size 1. In a grouped convolution each group has its own factors.

    Args:
        layer: linear layer, embedding, convolution (not transposed), or the ``Conv1D`` of transformers.
        rank: width between the factors.
        alpha: strength of the change; ``rank`` if left out, so that the scale is 1.

    Shape:
        as the layer's.

    Raises:
        ConfigError: for another layer, or a rank that is not between 1 and that of the layer's own matrix.

    Source:
        Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022, section 4.1.
    """

    def __init__(self, layer: nn.Module, rank: int, *, alpha: float | None = None) -> None:
        super().__init__()
        if not self.takes(layer):
            raise ConfigError(f"LoRA: expected a linear layer, embedding or convolution, got {type(layer).__name__}.")
        self.rank = rank
        self.alpha = float(rank if alpha is None else alpha)
        self.base = layer
        self.lora_a, self.lora_b = _factors(layer, rank)
        nn.init.zeros_(self.lora_b.weight)  # type: ignore[arg-type]  # each of the three kinds has one
        self.train(layer.training)

    @staticmethod
    def takes(layer: nn.Module) -> bool:
        """Whether there is a low-rank form of such a layer."""
        return isinstance(layer, (nn.Linear, nn.Embedding, *_CONVOLUTIONS)) or is_transposed_linear(layer)

    @property
    def scale(self) -> float:
        """What the change is multiplied by."""
        return self.alpha / self.rank

    @property
    def weight(self) -> Tensor | None:
        """What the layer's own weight is like: its type, device and shape. Computing with it is an error."""
        return described(self.base)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.base(input)
        change: Tensor = self.lora_b(self.lora_a(input))
        return output + self.scale * change

    def extra_repr(self) -> str:
        """What ``print`` shows in the brackets."""
        return f"rank={self.rank}, alpha={self.alpha:g}"


def _factors(layer: nn.Module, rank: int) -> tuple[nn.Module, nn.Module]:
    weight = layer.weight
    assert isinstance(weight, Tensor)  # `takes` has looked
    if is_lazy(weight):
        raise ConfigError("LoRA: the layer has no shape yet. Run the module once on an example, then attach.")
    where: dict[str, Any] = {"device": weight.device, "dtype": weight.dtype}
    for kind in _CONVOLUTIONS:
        if isinstance(layer, kind):
            assert isinstance(layer, ConvBase)
            return _convolutions(kind, layer, rank, where)
    if isinstance(layer, nn.Linear):
        columns, rows = weight.shape
    else:
        rows, columns = weight.shape  # an embedding, or a linear layer that keeps its weight as (in, out)
    _check_rank(rank, rows, columns)
    if isinstance(layer, nn.Embedding):
        first: nn.Module = nn.Embedding(rows, rank, padding_idx=layer.padding_idx, **where)
    else:
        first = nn.Linear(rows, rank, bias=False, **where)
    return first, nn.Linear(rank, columns, bias=False, **where)


def _convolutions(
    kind: type[nn.Module], layer: ConvBase, rank: int, where: dict[str, Any]
) -> tuple[nn.Module, nn.Module]:
    groups = layer.groups
    _check_rank(rank, layer.out_channels // groups, layer.weight[0].numel())
    first = kind(
        layer.in_channels,
        groups * rank,
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=groups,
        bias=False,
        padding_mode=layer.padding_mode,
        **where,
    )
    return first, kind(groups * rank, layer.out_channels, 1, groups=groups, bias=False, **where)


def _check_rank(rank: int, rows: int, columns: int) -> None:
    if not isinstance(rank, int) or not 1 <= rank <= min(rows, columns):
        raise ConfigError(
            f"LoRA: expected a rank from 1 to {min(rows, columns)} for a {rows} x {columns} matrix, got {rank!r}. "
            "Select fewer layers or a lower rank."
        )
