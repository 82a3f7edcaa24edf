import torch

from hyperdnn.lab.data import Split, Task, TwoLevels, on_validation


def _task(train: int = 6) -> Task:
    def split(number: int, start: int) -> Split:
        numbers = torch.arange(start, start + number)
        return Split(stored=numbers.reshape(-1, 1, 1, 1), targets=numbers % 3)

    return Task(name="numbers", train=split(train, 0), validation=split(9, 100), test=split(5, 200), classes=3)


def _draw(levels: TwoLevels, size: int):
    return levels.train.sample(size, generator=torch.Generator().manual_seed(0))


def test_few_samples_are_all_trained_on_and_validation_is_drawn():
    batch = _draw(TwoLevels(task=_task(), noise_shape=(2, 3)), 8)
    assert batch.train.inputs.flatten().tolist() == [0, 1, 2, 3, 4, 5]
    assert len(batch.validation) == 8
    assert batch.validation.inputs.min() >= 100
    assert batch.validation.inputs.max() < 200
    assert batch.noise.shape == (2, 3)


def test_of_many_samples_some_are_drawn():
    batch = _draw(TwoLevels(task=_task(50), noise_shape=(1, 1)), 8)
    assert len(batch.train) == 8
    assert len(batch.train.inputs.unique()) > 4


def test_all_randomness_comes_from_the_generator():
    levels = TwoLevels(task=_task(50), noise_shape=(2, 1))
    one, same = _draw(levels, 8), _draw(levels, 8)
    assert one.noise.equal(same.noise)
    assert one.train.inputs.equal(same.train.inputs)
    assert one.validation.inputs.equal(same.validation.inputs)


def test_the_noise_is_standard_normal():
    noise = _draw(TwoLevels(task=_task(), noise_shape=(400, 50)), 8).noise
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02


def test_it_moves_and_hides_its_test_part():
    levels = TwoLevels(task=_task(), noise_shape=(2, 1))
    moved = levels.to("meta")
    batch = _draw(moved, 3)
    assert {batch.noise.device.type, batch.train.inputs.device.type, batch.validation.targets.device.type} == {"meta"}
    assert on_validation(levels).task.test is levels.task.validation
