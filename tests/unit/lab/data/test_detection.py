import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab import data
from hyperdnn.lab.train import Data, Samples


def test_another_set_stands_beside_the_task() -> None:
    both = data.detection("digits", outside="permuted")
    images, other = both.task.test[:].inputs, both.outside.test[:].inputs
    assert not other.equal(images)
    torch.testing.assert_close(other.flatten(1).sort().values, images.flatten(1).sort().values)  # the same pixels
    assert both.train is both.task.train
    with pytest.raises(ConfigError, match=r"there is no data set 'digit'\. Did you mean 'digits'"):
        data.detection("digits", outside="digit")


def test_settings_are_chosen_on_the_validation_part_of_both() -> None:
    both = data.detection("digits", outside="permuted")
    hidden = data.on_validation(both)
    assert hidden.task.test is both.task.validation
    assert hidden.outside.test is both.outside.validation


def test_it_is_data_for_a_loop() -> None:
    both = data.detection("digits", outside="permuted")
    assert isinstance(both, Data)
    assert isinstance(both.train, Samples)
    moved = both.to("meta")
    assert {moved.task.test.stored.device.type, moved.outside.test.stored.device.type} == {"meta"}
    assert data.Detection(task=both.task, outside=None).to("meta").outside is None
