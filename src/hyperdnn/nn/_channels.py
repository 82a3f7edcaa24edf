"""Where a layer's output has its channels."""

from torch import Tensor, nn

from hyperdnn._torch import ConvBase, NormBase
from hyperdnn.errors import LayoutError

__all__ = ["channels", "check_channels", "is_transposed_linear"]

_INSTANCE_NORMS = ((nn.InstanceNorm1d, -2), (nn.InstanceNorm2d, -3), (nn.InstanceNorm3d, -4))


def channels(layer: nn.Module) -> tuple[int, int] | None:
    """How many channels the output of a layer has and in which dimension, or None where the layer does not say.

    Dimensions are counted from the end where a layer takes data without a batch.
    """
    if isinstance(layer, nn.Linear | nn.Bilinear):
        return layer.out_features, -1
    if isinstance(layer, nn.Embedding | nn.EmbeddingBag):
        return layer.embedding_dim, -1
    if isinstance(layer, ConvBase):
        return layer.out_channels, -1 - len(layer.kernel_size)
    if isinstance(layer, nn.LayerNorm | nn.RMSNorm):
        return (layer.normalized_shape[0], -1) if len(layer.normalized_shape) == 1 else None
    if isinstance(layer, nn.GroupNorm):
        return layer.num_channels, 1
    if isinstance(layer, NormBase):
        return layer.num_features, next((dim for kind, dim in _INSTANCE_NORMS if isinstance(layer, kind)), 1)
    if is_transposed_linear(layer):
        return int(layer.nf), -1  # type: ignore[arg-type]  # an integer there
    return None


def is_transposed_linear(layer: nn.Module) -> bool:
    """Whether it is the linear layer of GPT-2 in transformers, which calls itself Conv1D: its weight is (in, out)."""
    weight = getattr(layer, "weight", None)
    known = type(layer).__name__ == "Conv1D" and hasattr(layer, "nf")
    return known and isinstance(weight, Tensor) and weight.ndim == 2


def check_channels(input: Tensor, features: int, dim: int, what: str) -> None:
    """Verify that a tensor has so many channels: a single one would be broadcast in silence.

    Raises:
        LayoutError: naming what expected it.
    """
    if not -input.ndim <= dim < input.ndim or input.shape[dim] != features:
        raise LayoutError(f"{what}: expected {features} channels in dimension {dim}, got {tuple(input.shape)}.")
