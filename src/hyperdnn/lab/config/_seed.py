"""One seed for every random generator."""

import os
import random

from hyperdnn.errors import ConfigError

_LARGEST = 2**32 - 1  # numpy's limit, the lowest of the three


def check_seed(seed: int) -> None:
    """Verify that every generator takes a seed.

    Raises:
        ConfigError: it is out of range.
    """
    if not 0 <= seed <= _LARGEST:
        raise ConfigError(f"seed: expected 0 to {_LARGEST}, got {seed}.")


def seed_everything(seed: int, *, deterministic: bool = False) -> None:
    """Seeds the generators of Python, numpy and torch (all devices).

    Samplers and data sets of the lab take their own ``generator=`` or ``seed=``; this seeds what is left,
    such as the initialisation of modules and dropout.

    Args:
        seed: between 0 and 2**32 - 1.
        deterministic: also make torch refuse operators without a deterministic implementation; slower. On
            CUDA, call it before the first operation.

    Raises:
        ConfigError: the seed is out of range.
    """
    import numpy as np
    import torch

    check_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS refuses in deterministic mode
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True)
