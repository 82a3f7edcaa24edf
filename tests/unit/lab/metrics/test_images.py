import math

import pytest
import torch

from hyperdnn.lab.metrics import psnr


def test_by_hand():
    originals = torch.zeros(2, 1, 2, 2)
    images = torch.tensor([0.1, 0.01]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    assert psnr(images, originals) == pytest.approx((20 + 40) / 2)  # the mean over images, not of the mean error


def test_channels_count_alike_and_what_is_out_of_range_is_clamped():
    originals = torch.ones(1, 2, 1, 1)
    assert psnr(torch.tensor([5.0, 0.8]).view(1, 2, 1, 1), originals) == pytest.approx(-10 * math.log10(0.02))


def test_the_same_image():
    assert psnr(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)) == math.inf
