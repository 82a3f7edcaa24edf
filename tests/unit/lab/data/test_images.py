import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._images import image_task

IMAGES = torch.tensor([[[0, 10], [20, 30]], [[40, 50], [60, 100]]], dtype=torch.uint8)
PART = (IMAGES, torch.tensor([0, 1], dtype=torch.uint8))


def test_images_get_a_channel_and_labels_become_indices() -> None:
    task = image_task("t", {"train": PART, "validation": PART, "test": PART}, white=100, pad=0, normalise=False)
    assert task.shape == (1, 2, 2)
    assert task.train[:].inputs.max() == 1
    assert task.train.targets.dtype == torch.int64
    assert task.classes == 2


def test_normalising_uses_the_training_pixels_without_their_border() -> None:
    darker = (IMAGES // 2, PART[1])
    task = image_task("t", {"train": PART, "validation": PART, "test": darker}, white=100, pad=1, normalise=True)
    pixels = IMAGES.double()
    expected = (pixels - pixels.mean()) / pixels.std(correction=0)
    torch.testing.assert_close(task.train[:].inputs[:, 0, 1:3, 1:3], expected.float())
    black = (0 - pixels.mean()) / pixels.std(correction=0)
    torch.testing.assert_close(task.test[:].inputs[0, 0, 0, 0], black.float())


def test_negative_padding_is_refused() -> None:
    with pytest.raises(ConfigError, match="pad: expected 0 or more pixels, got -1"):
        image_task("t", {"train": PART, "validation": PART, "test": PART}, white=1, pad=-1, normalise=False)


def test_colours_keep_their_channels() -> None:
    colours = (IMAGES[:, None].repeat(1, 3, 1, 1), PART[1])
    task = image_task("t", {"train": colours, "validation": colours, "test": colours}, white=100, pad=1, normalise=True)
    assert task.shape == (3, 4, 4)
    torch.testing.assert_close(task.train[:].inputs[:, :, 1:3, 1:3].mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
