"""As `hyperdnn`, with the whole model under torch.compile: no graph break, for one context and for many."""

import torch
from adapters import hyperdnn
from common import NotSupported, make_case


def build(spec):
    """One workload as a case of the runner."""
    if spec.mode not in ("train", "fb") or spec.wid == "W4" or spec.wid.startswith("W5"):
        raise NotSupported("training steps of W1 to W3")
    model = hyperdnn.make_model(spec)
    hyperdnn.load(model.hypernet, spec)
    compiled = torch.compile(model, fullgraph=True)
    context = spec.ctx if spec.wid.startswith("W3") else spec.ctx[0]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5, fused=True) if spec.mode == "train" else None
    # Images in the memory format that convolutions prefer, as in `hyperdnn_channels_last`.
    x = spec.x.contiguous(memory_format=torch.channels_last) if spec.x.ndim == 4 else spec.x
    return make_case(spec, model.parameters(), lambda: compiled(x, context=context), "compiled", optimizer=optimizer)
