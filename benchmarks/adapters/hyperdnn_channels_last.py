"""As `hyperdnn`, with the input's channels last: convolutions follow it through the network (W2)."""

import dataclasses

import torch
from adapters import hyperdnn
from common import NotSupported


def build(spec):
    """One workload as a case of the runner."""
    if spec.wid != "W2":
        raise NotSupported("images: W2 only")
    case = hyperdnn.build(dataclasses.replace(spec, x=spec.x.contiguous(memory_format=torch.channels_last)))
    case.note = "fused Adam, channels_last input"
    return case
