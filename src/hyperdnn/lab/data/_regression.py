"""Small sets for regression, with the splits on which uncertainty is usually compared."""

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import torch

from hyperdnn.errors import ConfigError, MissingExtraError, nearest
from hyperdnn.lab.data._batch import Split, Task
from hyperdnn.lab.data._fetch import path

if TYPE_CHECKING:
    import numpy as np

__all__ = ["regression"]

_FILES: Final = MappingProxyType(
    {
        "boston": "bostonHousing.npz",
        "concrete": "concrete.npz",
        "energy": "energy.npz",
        "kin8nm": "kin8nm.npz",
        "naval": "naval-propulsion-plant.npz",
        "power": "power-plant.npz",
        "protein": "protein-tertiary-structure.npz",
        "wine": "wine-quality-red.npz",
        "yacht": "yacht.npz",
    }
)
_SPLITS: Final = 20  # of the set that comes without any


def regression(name: str, *, split: int = 0, train: int | None = None) -> Task:
    """A set of rows of numbers with a number to predict, in one of its published splits.

    "boston", "concrete", "energy", "kin8nm", "naval", "power", "protein", "wine" and "yacht" come with 20 splits of the
    UCI sets ("protein" with 5), a tenth of each for the test. "diabetes" comes with scikit-learn and is split at
    random. Features and target have mean 0 and deviation 1 over the rows that are trained on; ``task.unit`` is the
    target's deviation in its own unit.

    Args:
        name: the set.
        split: which of its splits.
        train: how many of the training rows to train on; all others validate. Nine tenths by default.

    Raises:
        ConfigError: an unknown set or split, or a number of rows that leaves none to train on or to validate.
        DataError: files that are absent, damaged or out of reach.

    Source:
        Hernandez-Lobato & Adams, "Probabilistic Backpropagation", ICML 2015; the splits as Gal & Ghahramani, "Dropout
        as a Bayesian Approximation", ICML 2016, published them. Efron et al., "Least Angle Regression", 2004
        (diabetes).
    """
    rows, numbers, kept, test = _diabetes(split) if name == "diabetes" else _uci(name, split)
    count = round(0.9 * len(kept)) if train is None else train
    if not 2 <= count < len(kept):
        raise ConfigError(f"train: expected 2 to {len(kept) - 1} of the rows of '{name}', got {count}.")
    parts = {"train": kept[:count], "validation": kept[count:], "test": test}
    mean, deviation = rows[parts["train"]].mean(0), rows[parts["train"]].std(0)
    deviation[deviation == 0] = 1.0
    centre, unit = numbers[parts["train"]].mean(), numbers[parts["train"]].std()
    splits = {
        part: Split(
            stored=torch.from_numpy((rows[index] - mean) / deviation).float(),
            targets=torch.from_numpy((numbers[index] - centre) / unit).float(),
        )
        for part, index in parts.items()
    }
    return Task(
        name=f"{name}, split {split}",
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        unit=float(unit),
    )


def _uci(name: str, split: int) -> "tuple[np.ndarray[Any, Any], ...]":
    """Features, numbers to predict, rows to learn from and rows to test on."""
    if name not in _FILES:
        names = [*_FILES, "diabetes"]
        raise ConfigError(f"there is no regression set '{name}'.{nearest(name, names)}")
    import numpy as np

    with np.load(path("uci_regression", _FILES[name])) as file:
        splits = sum(key.startswith("train_") for key in file.files)
        _check(name, split, splits)
        data, target = file["data"], int(file["index_target"][0])
        return data[:, file["index_features"]], data[:, target], file[f"train_{split}"], file[f"test_{split}"]


def _diabetes(split: int) -> "tuple[np.ndarray[Any, Any], ...]":
    try:
        from sklearn.datasets import load_diabetes
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise MissingExtraError("scikit-learn", extra="lab") from error
    import numpy as np

    _check("diabetes", split, _SPLITS)
    rows, numbers = load_diabetes(return_X_y=True)
    return rows, numbers, *train_test_split(np.arange(len(rows)), test_size=0.1, random_state=split)


def _check(name: str, split: int, splits: int) -> None:
    if not 0 <= split < splits:
        raise ConfigError(f"split: '{name}' has splits 0 to {splits - 1}, got {split}.")
