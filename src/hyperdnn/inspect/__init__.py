"""Look, never change.

`summary` says who generates what and how large it is; `classify` what kind of hypernet it is; `check_init` measures how
generated weights and the target's activations start; `health` whether a generator is dead or its weights explode, at
any time of training. A `Probe` is data to look at generated networks with; `coordinates` are numbers of contexts that
can be moved. `path` runs the networks between two contexts, `sensitivity` tells what each coordinate does, and `swap`
which layers carry the difference between two contexts. `statistics` are sizes, spread and distances of generated
weights over contexts, `network_distances` compares these with what the networks do, and `flat_map` and `neighbour_map`
draw either in two dimensions.
"""

from hyperdnn.inspect._check_init import InitReport, LayerStart, check_init
from hyperdnn.inspect._classify import Classification, Conditioning, Criterion, classify
from hyperdnn.inspect._coordinates import Coordinates, coordinates
from hyperdnn.inspect._distances import NetworkDistances, network_distances
from hyperdnn.inspect._health import Ailment, Finding, Health, TensorHealth, health
from hyperdnn.inspect._map import Map, flat_map, neighbour_map
from hyperdnn.inspect._path import ContextPath, path
from hyperdnn.inspect._probe import Probe
from hyperdnn.inspect._sensitivity import Sensitivity, sensitivity
from hyperdnn.inspect._statistics import Statistics, TensorStatistics, statistics
from hyperdnn.inspect._summary import summary
from hyperdnn.inspect._swap import Swap, swap

__all__ = [
    "Ailment",
    "Classification",
    "Conditioning",
    "ContextPath",
    "Coordinates",
    "Criterion",
    "Finding",
    "Health",
    "InitReport",
    "LayerStart",
    "Map",
    "NetworkDistances",
    "Probe",
    "Sensitivity",
    "Statistics",
    "Swap",
    "TensorHealth",
    "TensorStatistics",
    "check_init",
    "classify",
    "coordinates",
    "flat_map",
    "health",
    "neighbour_map",
    "network_distances",
    "path",
    "sensitivity",
    "statistics",
    "summary",
    "swap",
]
