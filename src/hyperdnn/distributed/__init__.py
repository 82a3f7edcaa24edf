"""Models on several processes.

Torch's ``DistributedDataParallel`` takes a `HyperDNN` as it is; `Verb` lets it see other calls than the model's own.
`shard` divides parameters and the optimiser's state among processes (FSDP2). `Divided` lets each process generate one
part of a target that is too large for one.
"""

from hyperdnn.distributed._chunks import Divided
from hyperdnn.distributed._fsdp import shard
from hyperdnn.distributed._verb import Verb

__all__ = ["Divided", "Verb", "shard"]
