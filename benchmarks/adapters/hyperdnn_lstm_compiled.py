"""As `hyperdnn`, with five time steps of the HyperLSTM at a time under torch.compile."""

from adapters import hyperdnn
from common import NotSupported


def build(spec):
    """One workload as a case of the runner."""
    if spec.wid != "W4":
        raise NotSupported("HyperLSTM only")
    from prototypes.hyperlstm import recurrent_case

    model = hyperdnn.make_hyper_lstm(spec)
    model.compile_steps()
    return recurrent_case(spec, model, "5 time steps compiled")
