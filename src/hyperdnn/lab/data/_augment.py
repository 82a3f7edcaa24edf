"""Changes of images that leave their class alone."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

__all__ = ["flipped", "shifted"]


def shifted(
    images: Float[Tensor, "samples channels height width"], most: int, *, generator: torch.Generator
) -> Float[Tensor, "samples channels height width"]:
    """Each image moved at random by up to ``most`` pixels down or up and across; zeros come in ("random crops").

    Args:
        images: a batch.
        most: pixels; 0 changes nothing.
        generator: on the CPU.
    """
    samples, _, height, width = images.shape
    down, across = torch.randint(2 * most + 1, (2, samples), generator=generator).to(images.device)
    windows = F.pad(images, (most,) * 4).unfold(2, height, 1).unfold(3, width, 1)  # a view
    return windows[torch.arange(samples, device=images.device), :, down, across]


def flipped(
    images: Float[Tensor, "samples channels height width"], *, generator: torch.Generator
) -> Float[Tensor, "samples channels height width"]:
    """Each image as in a mirror, or as it is, at random.

    Args:
        images: a batch.
        generator: on the CPU.
    """
    mirror = torch.randint(2, (len(images), 1, 1, 1), generator=generator).bool().to(images.device)
    return torch.where(mirror, images.flip(-1), images)
