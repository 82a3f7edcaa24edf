import pytest
import torch
from torch.nn import functional as F

from hyperdnn.lab.data import flipped, shifted


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_image_is_moved_by_itself_and_all_shifts_occur():
    images = torch.rand(200, 2, 5, 4) + 0.1
    found = shifted(images, 1, generator=generator())
    seen = set()
    for image, moved in zip(images, found, strict=True):
        padded = F.pad(image, (1, 1, 1, 1))
        places = [(y, x) for y in range(3) for x in range(3) if moved.equal(padded[:, y : y + 5, x : x + 4])]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) == 9


@pytest.mark.parametrize("count", [0, 1, 3])
def test_no_shift_changes_nothing(count):
    images = torch.rand(count, 1, 3, 3)
    assert shifted(images, 0, generator=generator()).equal(images)


def test_about_half_of_the_images_are_mirrored():
    images = torch.rand(400, 1, 2, 3)
    found = flipped(images, generator=generator())
    mirrored = [moved.equal(image.flip(-1)) for image, moved in zip(images, found, strict=True)]
    kept = [moved.equal(image) for image, moved in zip(images, found, strict=True)]
    assert sum(mirrored) + sum(kept) == 400
    assert 160 < sum(mirrored) < 240


def test_the_generator_is_the_only_source_of_chance():
    images = torch.rand(20, 1, 6, 6)
    for vary in (lambda g: shifted(images, 2, generator=g), lambda g: flipped(images, generator=g)):
        assert vary(generator(1)).equal(vary(generator(1)))
        assert not vary(generator(1)).equal(vary(generator(2)))
