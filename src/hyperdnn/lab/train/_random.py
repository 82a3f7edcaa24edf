"""The state of every random generator there is."""

import random
from typing import Any

import torch

__all__ = ["draw_apart", "random_states", "set_random_states"]


def random_states() -> dict[str, Any]:
    """The states of the generators of Python, numpy and torch, on all devices."""
    import numpy as np

    numpy: Any = np.random.get_state()
    name, keys, *rest = numpy
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Set them again; devices that are not there any more are left out."""
    import numpy as np

    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["cpu"])
    for device, state in enumerate(states["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, device)
    if states["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])


def draw_apart(process: int) -> None:
    """Go on with torch's generators as no other process does that has the same states; the first one as they are."""
    if process:
        torch.manual_seed(int(torch.randint(2**62, (process,))[-1]))
