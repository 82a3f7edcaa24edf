"""Data sets, held in memory and handed out in batches.

`load` reads a plain set of images by name: "digits" comes with scikit-learn, "mnist" and "fashion_mnist" from
``HYPERDNN_DATA`` or the cache. `regression` reads the UCI sets with their published splits. Every set is a `Task` of
three `Split`s (train, validation, test), and a `Split` hands out a `Batch` of context, inputs and targets. `permuted`
and `split` turn one set into a sequence of tasks. `path` and `available` find the files of a set.
"""

from hyperdnn.lab.data._batch import Batch, Split, Task
from hyperdnn.lab.data._continual import permuted, split
from hyperdnn.lab.data._fetch import DataError, available, path
from hyperdnn.lab.data._load import load
from hyperdnn.lab.data._regression import regression
from hyperdnn.lab.data._sources import SOURCES, Source

__all__ = [
    "load",
    "regression",
    "Batch",
    "Split",
    "Task",
    "permuted",
    "split",
    "path",
    "available",
    "Source",
    "SOURCES",
    "DataError",
]
