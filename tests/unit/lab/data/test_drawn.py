import torch

from hyperdnn.lab import data
from hyperdnn.lab.train import Data, Samples


def _drawn() -> data.DrawnContexts:
    return data.DrawnContexts(task=data.load("digits"), draw=lambda generator: torch.rand(2, generator=generator))


def test_each_training_batch_has_a_context_of_its_own():
    drawn = _drawn()
    generator = torch.Generator().manual_seed(0)
    first, second = (drawn.train.sample(7, generator=generator) for _ in range(2))
    assert (first.context.shape, first.inputs.shape) == ((2,), (7, 1, 8, 8))
    assert not first.context.equal(second.context)
    again = drawn.train.sample(7, generator=torch.Generator().manual_seed(0))
    assert again.context.equal(first.context)
    assert again.inputs.equal(first.inputs)


def test_it_is_data_for_a_loop():
    drawn = _drawn()
    assert isinstance(drawn, Data)
    assert isinstance(drawn.train, Samples)
    assert drawn.validation is drawn.task.validation
    assert drawn.test is drawn.task.test
    moved = drawn.to("meta")
    assert moved.test.stored.device.type == "meta"
