"""Data sets, held in memory and handed out in batches.

`load` reads a plain set by name: "digits" comes with scikit-learn, "mnist" from ``HYPERDNN_DATA`` or the
cache. Every set is a `Task` of three `Split`s (train, validation, test), and a `Split` hands out a `Batch` of
context, inputs and targets. `permuted` and `split` turn one set into a sequence of tasks. `few_shot` makes `FewShot`
data, whose `Episodes` draw an `Episode`, a batch of problems with a few samples of each class. `path` and `available`
find the files of a set.
"""

from hyperdnn.lab.data._batch import Batch, Split, Task
from hyperdnn.lab.data._continual import permuted, split
from hyperdnn.lab.data._episodes import Episode, Episodes, EpisodeShape, FewShot
from hyperdnn.lab.data._fetch import DataError, available, path
from hyperdnn.lab.data._fewshot import few_shot
from hyperdnn.lab.data._load import load
from hyperdnn.lab.data._sources import SOURCES, Source

__all__ = [
    "load",
    "Batch",
    "Split",
    "Task",
    "permuted",
    "split",
    "few_shot",
    "FewShot",
    "Episodes",
    "Episode",
    "EpisodeShape",
    "path",
    "available",
    "Source",
    "SOURCES",
    "DataError",
]
