import torch

from hyperdnn.lab.data._digits import digits


def test_sizes_and_range() -> None:
    task = digits()
    assert (len(task.train), len(task.validation), len(task.test)) == (1257, 180, 360)
    assert task.shape == (1, 8, 8)
    assert task.classes == 10
    assert task.train[:].inputs.aminmax() == (0, 1)


def test_split_is_fixed_and_stratified() -> None:
    first, second = digits(), digits()
    assert first.test.stored.equal(second.test.stored)
    assert first.test.targets[:8].tolist() == [7, 6, 3, 7, 7, 3, 2, 8]  # published numbers rest on this split
    assert all(34 <= count <= 37 for count in first.test.targets.bincount())


def test_no_image_is_in_two_parts() -> None:
    task = digits()
    rows = torch.cat([part.stored.flatten(1) for part in (task.train, task.validation, task.test)])
    assert len(rows) == 1797
    assert len(rows.unique(dim=0)) == 1797


def test_padding_and_normalising() -> None:
    task = digits(pad=1, normalise=True)
    assert task.shape == (1, 10, 10)
    inner = task.train[:].inputs[..., 1:-1, 1:-1]
    assert abs(inner.mean()) < 1e-5
    assert abs(inner.std() - 1) < 1e-4
