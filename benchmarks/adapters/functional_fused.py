"""Plain torch as `functional`, with the fused form of the optimiser (W1): what of the gain is the optimiser's."""

import dataclasses

import torch
from adapters import functional
from common import Case, NotSupported


def build(spec):
    """One workload as a case of the runner."""
    if spec.wid != "W1":
        raise NotSupported("an optimiser: W1 only")
    case = functional.build(dataclasses.replace(spec, mode="fb"))
    optimizer = torch.optim.Adam(case.params, lr=1e-5, fused=True)

    def step():
        loss = case.step()
        optimizer.step()
        return loss

    return Case(step, case.params, "fused Adam")
