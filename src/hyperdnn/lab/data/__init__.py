"""Data sets, held in memory and handed out in batches.

`load` reads a plain set by name: "digits" comes with scikit-learn, "mnist" from ``HYPERDNN_DATA`` or the
cache. Every set is a `Task` of three `Split`s (train, validation, test), and a `Split` hands out a `Batch` of
context, inputs and targets. `permuted` and `split` turn one set into a sequence of tasks, `overlaid` puts two of its
images into one, and `permuted_copy` is a sequence made of random bits. `DrawnContexts` gives each batch a context of
its own. `path` and `available` find the files of a set.
"""

from hyperdnn.lab.data._batch import Batch, Split, Task
from hyperdnn.lab.data._continual import permuted, split
from hyperdnn.lab.data._copy import permuted_copy
from hyperdnn.lab.data._drawn import DrawnContexts
from hyperdnn.lab.data._fetch import DataError, available, path
from hyperdnn.lab.data._load import load
from hyperdnn.lab.data._overlaid import overlaid
from hyperdnn.lab.data._sources import SOURCES, Source

__all__ = [
    "load",
    "Batch",
    "Split",
    "Task",
    "permuted",
    "split",
    "overlaid",
    "permuted_copy",
    "DrawnContexts",
    "path",
    "available",
    "Source",
    "SOURCES",
    "DataError",
]
