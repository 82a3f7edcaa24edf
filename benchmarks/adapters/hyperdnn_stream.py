"""As `hyperdnn`, with weights that exist only while they are read (W5)."""

import torch
from adapters import hyperdnn
from common import NotSupported, make_case
from torch.utils.checkpoint import checkpoint


def build(spec):
    """One workload as a case of the runner."""
    if not spec.wid.startswith("W5"):
        raise NotSupported("streamed generation: W5 only")
    model = hyperdnn.make_model(spec, stream=True)
    hyperdnn.load(model.hypernet, spec)
    # The first checkpoint of a process imports torch's compiler: a second or more that is no part of a step.
    checkpoint(torch.sin, torch.zeros(1, requires_grad=True), use_reentrant=False)
    note = "streamed; torch's checkpointing was loaded before the step"
    return make_case(spec, model.parameters(), lambda: model(spec.x, context=spec.ctx[0]), note)
