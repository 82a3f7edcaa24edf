import pytest
import torch

from hyperdnn.lab.data import Batch, Split, Task


@pytest.fixture
def part() -> Split:
    stored = torch.arange(5 * 6, dtype=torch.uint8).reshape(5, 1, 2, 3)
    return Split(stored=stored, targets=torch.arange(5), scale=0.5, shift=1.0, context=7)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_rows_come_out_as_scaled_floats(part: Split) -> None:
    batch = part[torch.tensor([4, 0])]
    assert batch.inputs.dtype == torch.float32
    assert batch.inputs.shape == (2, 1, 2, 3)
    assert batch.inputs[1].flatten().tolist() == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    assert batch.targets.tolist() == [4, 0]


def test_context_keeps_no_batch_dimension(part: Split) -> None:
    assert part[:2].context.shape == ()
    assert part[:2].context.item() == 7


def test_float_rows_are_never_changed_in_place() -> None:
    stored = torch.ones(3, 1, 2, 2)
    part = Split(stored=stored, targets=torch.arange(3), scale=2.0)
    part[:].inputs.zero_()
    assert part[:].inputs.eq(2).all()
    assert stored.eq(1).all()


def test_order_moves_pixels_alike_in_each_channel() -> None:
    stored = torch.arange(12, dtype=torch.uint8).reshape(1, 2, 2, 3)
    part = Split(stored=stored, targets=torch.zeros(1), order=torch.tensor([5, 4, 3, 2, 1, 0]))
    assert part[:].inputs[0, 0].tolist() == [[5, 4, 3], [2, 1, 0]]
    assert part[:].inputs[0, 1].tolist() == [[11, 10, 9], [8, 7, 6]]


def test_batches_pass_over_every_row_once(part: Split) -> None:
    ordered = [batch.targets.tolist() for batch in part.batches(2)]
    assert ordered == [[0, 1], [2, 3], [4]]
    shuffled = torch.cat([batch.targets for batch in part.batches(2, generator=generator())])
    assert shuffled.tolist() != [0, 1, 2, 3, 4]
    assert shuffled.sort().values.tolist() == [0, 1, 2, 3, 4]


def test_generator_alone_decides_what_is_drawn(part: Split) -> None:
    first, again, other = (part.sample(50, generator=generator(s)).targets for s in (0, 0, 1))
    assert first.equal(again)
    assert not first.equal(other)
    assert set(first.tolist()) == {0, 1, 2, 3, 4}


def test_a_resumed_generator_continues(part: Split) -> None:
    source = generator()
    part.sample(3, generator=source)
    resumed = torch.Generator()
    resumed.set_state(source.get_state())
    assert part.sample(3, generator=source).inputs.equal(part.sample(3, generator=resumed).inputs)


def test_everything_moves_to_a_device(part: Split) -> None:
    batch = Batch(context=torch.tensor(1), inputs=torch.ones(2), targets=torch.ones(2)).to("meta")
    assert {batch.context.device.type, batch.inputs.device.type, batch.targets.device.type} == {"meta"}
    ordered = Split(stored=part.stored, targets=part.targets, order=torch.arange(6))
    moved = Task(name="t", train=ordered, validation=part, test=part, classes=5).to("meta")
    assert moved.test.stored.device.type == "meta"
    assert moved.train.order is not None
    assert moved.train.order.device.type == "meta"
    assert moved.train.sample(3, generator=generator()).inputs.device.type == "meta"


def test_sizes(part: Split) -> None:
    assert len(part) == 5
    assert len(part[:3]) == 3
    assert part.shape == (1, 2, 3)


def test_a_batch_knows_how_many_samples_it_was_drawn_from(part: Split) -> None:
    assert part.sample(2, generator=generator()).total == 5
    assert part.sample(2, generator=generator()).to("cpu").total == 5
    assert [batch.total for batch in part.batches(3)] == [5, 5]
