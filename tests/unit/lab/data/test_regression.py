import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import DataError, Task, available, regression

on_file = pytest.mark.skipif(
    not available("uci_regression"), reason="the UCI sets are not on this machine: set HYPERDNN_DATA"
)


def rows(task: Task) -> list[int]:
    return [len(part) for part in (task.train, task.validation, task.test)]


def test_standardised_on_the_training_rows_alone() -> None:
    task = regression("diabetes", split=1, train=100)
    assert rows(task) == [100, 297, 45]
    batch = task.train[:]
    for numbers in (batch.inputs, batch.targets):
        torch.testing.assert_close(numbers.mean(0), torch.zeros_like(numbers[0]), atol=1e-5, rtol=0)
        torch.testing.assert_close(numbers.std(0, correction=0), torch.ones_like(numbers[0]))
    others = torch.cat([task.validation[:].inputs, task.test[:].inputs])
    assert others.mean(0).abs().max() > 0.02
    assert (task.classes, task.shape) == (0, (10,))


def test_the_unit_leads_back_to_the_data_itself() -> None:
    from sklearn.datasets import load_diabetes

    task = regression("diabetes", train=300)
    spread = task.test.targets.max() - task.test.targets.min()
    published = torch.from_numpy(load_diabetes().target)
    differences = (published[:, None] - published).abs()
    assert (differences - task.unit * spread).abs().min() < 1e-3
    assert task.unit == pytest.approx(77, rel=0.05)


def test_splits_differ_and_are_fixed() -> None:
    first, again, other = (regression("diabetes", split=split) for split in (0, 0, 1))
    assert first.test.stored.equal(again.test.stored)
    assert not first.test.stored.equal(other.test.stored)
    assert rows(first) == [357, 40, 45]


@on_file
@pytest.mark.parametrize(
    ("name", "features", "counts"),
    [
        ("boston", 13, [410, 45, 51]),
        ("concrete", 8, [834, 93, 103]),
        ("energy", 8, [622, 69, 77]),
        ("naval", 16, [9667, 1074, 1193]),
        ("yacht", 6, [249, 28, 31]),
    ],
)
def test_published_splits(name: str, features: int, counts: list[int]) -> None:
    task = regression(name)
    assert (rows(task), task.shape) == (counts, (features,))
    assert torch.isfinite(task.train.stored).all()  # two features of "naval" are constant


@on_file
def test_no_row_is_in_two_parts() -> None:
    task = regression("concrete", split=19, train=100)
    assert rows(task) == [100, 827, 103]
    import numpy as np

    from hyperdnn.lab.data import path

    with np.load(path("uci_regression", "concrete.npz")) as file:
        assert sorted([*file["train_19"], *file["test_19"]]) == list(range(1030))


def test_wrong_requests_get_advice() -> None:
    with pytest.raises(ConfigError, match=r"no regression set 'yatch'\. Did you mean 'yacht'\?"):
        regression("yatch")
    with pytest.raises(ConfigError, match="'diabetes' has splits 0 to 19, got 20"):
        regression("diabetes", split=20)
    for train in (0, 1, 397):
        with pytest.raises(ConfigError, match=f"expected 2 to 396 of the rows of 'diabetes', got {train}"):
            regression("diabetes", train=train)


def test_absent_files_say_how_they_are_made(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.delenv("HYPERDNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(
        DataError, match=r"yacht.npz is not offered for download in this form\. It is made of UCI_Datasets"
    ):
        regression("yacht")
