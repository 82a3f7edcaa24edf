"""What is said without a process group; with one see ``tests/distributed``."""

import pytest
from torch import nn

import hyperdnn as hd
from hyperdnn import heads
from hyperdnn.distributed import Divided, shard
from hyperdnn.errors import ConfigError


def test_sharding_needs_processes():
    model = hd.HyperDNN.for_tasks(nn.Linear(2, 2), 2)
    with pytest.raises(ConfigError, match=r"shard: there is no process group\. Start the program with torchrun"):
        shard(model)


def test_a_divided_head_needs_processes():
    with pytest.raises(ConfigError, match="Divided: there is no process group"):
        Divided(heads.FullHead(3, hd.Target(nn.Linear(2, 2)).layout))
