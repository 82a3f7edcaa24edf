"""As `hyperdnn`, with the opt-in optimiser for a few contexts in a step (W1)."""

import importlib

from adapters import hyperdnn
from common import Case, NotSupported, loss_of

hd = importlib.import_module("hyperdnn")


def build(spec):
    """One workload as a case of the runner."""
    if spec.wid != "W1":
        raise NotSupported("an optimiser: W1 only")
    model = hyperdnn.make_model(spec)
    hyperdnn.load(model.hypernet, spec)
    optimizer = hd.optim.RankAdam(model, lr=1e-5)

    def step():
        optimizer.zero_grad()
        loss = loss_of(spec, model(spec.x, context=spec.ctx[0]))
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Case(step, [], "RankAdam")
