"""How near images are to their originals."""

from jaxtyping import Float
from torch import Tensor

from hyperdnn.errors import MissingExtraError

__all__ = ["psnr"]


def psnr(
    images: Float[Tensor, "samples channels height width"], originals: Float[Tensor, "samples channels height width"]
) -> float:
    """Peak signal-to-noise ratio in dB, the mean over images, by torchmetrics; infinite if one of them is perfect.

    Args:
        images: are clamped to the originals' range.
        originals: between 0 and 1.
    """
    try:
        from torchmetrics.functional.image import peak_signal_noise_ratio
    except ImportError as error:
        raise MissingExtraError("torchmetrics", extra="lab") from error
    ratio = peak_signal_noise_ratio(images.double(), originals.double(), data_range=(0.0, 1.0), dim=(1, 2, 3))
    return ratio.item()
