import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import Shrunken, Split, Task, on_validation


def task(height: int = 4, width: int = 6) -> Task:
    images = torch.arange(5 * 2 * height * width).view(5, 2, height, width)
    train, validation, test = (Split(stored=part, targets=torch.zeros(len(part))) for part in images.split([3, 1, 1]))
    return Task(name="numbers", train=train, validation=validation, test=test)


def test_inputs_are_means_over_squares_of_the_targets():
    batch = Shrunken(task=task(), factor=2).train[:]
    assert batch.inputs.shape == (3, 2, 2, 3)
    assert batch.targets.equal(task().train[:].inputs)
    assert batch.inputs[1, 1, 1, 2].item() == batch.targets[1, 1, 2:, 4:].mean().item()


def test_drawn_pairs_are_those_of_the_images_drawn():
    source = task()
    drawn = Shrunken(task=source, factor=2).train.sample(7, generator=torch.Generator().manual_seed(1))
    assert drawn.targets.equal(source.train.sample(7, generator=torch.Generator().manual_seed(1)).inputs)
    assert len(drawn) == 7


def test_parts_are_those_of_the_task_and_the_test_can_be_hidden():
    pairs = Shrunken(task=task(), factor=1).to("cpu")
    assert [len(part) for part in (pairs.train, pairs.validation, pairs.test)] == [3, 1, 1]
    hidden = on_validation(pairs)
    assert hidden.test[:].targets.equal(pairs.validation[:].targets)


@pytest.mark.parametrize("factor", [0, 3, 4])
def test_squares_must_fill_the_image(factor):
    with pytest.raises(ConfigError, match=rf"divisor of the sides of the images in \(2, 4, 6\), got {factor}"):
        Shrunken(task=task(), factor=factor)


def test_rows_of_numbers_are_no_images():
    part = Split(stored=torch.zeros(2, 4), targets=torch.zeros(2))
    with pytest.raises(ConfigError, match="images in"):
        Shrunken(task=Task(name="rows", train=part, validation=part, test=part), factor=2)
