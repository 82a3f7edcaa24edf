"""As `hyperdnn`, with weights that exist only while they are read (W5)."""

from adapters import hyperdnn
from common import NotSupported, make_case


def build(spec):
    """One workload as a case of the runner."""
    if not spec.wid.startswith("W5"):
        raise NotSupported("streamed generation: W5 only")
    model = hyperdnn.make_model(spec, stream=True)
    hyperdnn.load(model.hypernet, spec)
    return make_case(spec, model.parameters(), lambda: model(spec.x, context=spec.ctx[0]), "streamed")
