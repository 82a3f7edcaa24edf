import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import EpisodeShape, few_shot


@pytest.fixture(scope="module")
def digits():
    return few_shot("digits", EpisodeShape(ways=2, shots=1, queries=3, others=1), pixels=8, tests=9)


def test_parts_share_no_image_and_training_has_no_others(digits):
    parts = (digits.train, digits.validation, digits.test)
    assert [len(part.stored) for part in parts] == [4, 3, 3]
    assert [part.size.others for part in parts] == [0, 1, 1]
    assert (digits.tests, digits.shape) == (9, (1, 8, 8))
    rows = torch.cat([part.stored.flatten(0, 1).flatten(1) for part in parts])
    assert len(rows.unique(dim=0)) == len(rows) == 10 * 174


def test_classes_are_the_digits(digits):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    sevens = {tuple(round(255 * p / 16) for p in image.flatten()) for image in bunch.images[bunch.target == 7]}
    assert {tuple(image.flatten().tolist()) for image in digits.test.stored[0]} <= sevens


def test_images_are_enlarged():
    data = few_shot("digits", EpisodeShape(ways=2), pixels=12)
    assert data.shape == (1, 12, 12)
    assert data.train.stored.max() > 200


def test_a_misspelt_name_gets_advice():
    with pytest.raises(ConfigError, match=r"no few-shot data 'omnilot'. Did you mean 'omniglot'\?"):
        few_shot("omnilot", EpisodeShape())


def test_too_few_digits_are_named():
    with pytest.raises(ConfigError, match="5 classes in a problem, but there are 4"):
        few_shot("digits", EpisodeShape(ways=5))
