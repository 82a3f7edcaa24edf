"""Layers that cannot run with weights from outside: ours in, torch's back."""

from collections.abc import Callable

from torch import nn

from hyperdnn._torch import BatchNormBase
from hyperdnn.nn import PooledBatchNorm, Recurrent, RecurrentCell

__all__ = ["restore", "swap_batch_norm", "swap_recurrent"]

_RECURRENT = (nn.LSTM, nn.GRU, nn.RNN)
_CELLS = (nn.LSTMCell, nn.GRUCell, nn.RNNCell)
_BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def swap_recurrent(module: nn.Module) -> nn.Module:
    """Replace torch's recurrent layers and cells; subclasses of them stay, for their forward is not ours to know."""

    def ours(layer: nn.Module) -> nn.Module:
        if type(layer) in _RECURRENT:
            assert isinstance(layer, nn.RNNBase)
            return Recurrent(layer)
        if type(layer) in _CELLS:
            assert isinstance(layer, nn.RNNCellBase)
            return RecurrentCell(layer)
        return layer

    return _replace(module, ours)


def swap_batch_norm(module: nn.Module) -> nn.Module:
    """Replace torch's batch normalisation that keeps running statistics by the pooled one."""

    def ours(layer: nn.Module) -> nn.Module:
        if type(layer) in _BATCH_NORM and isinstance(layer, BatchNormBase) and layer.running_mean is not None:
            return PooledBatchNorm(layer)
        return layer

    return _replace(module, ours)


def restore(module: nn.Module) -> nn.Module:
    """Put torch's own layers back, with the parameters that are there now."""

    def theirs(layer: nn.Module) -> nn.Module:
        if not isinstance(layer, Recurrent | RecurrentCell | PooledBatchNorm):
            return layer
        original = layer.restore()
        original.train(layer.training)
        for name, parameter in layer.named_parameters(recurse=False):
            setattr(original, name, parameter)
        return original

    return _replace(module, theirs)


def _replace(module: nn.Module, make: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Apply ``make`` to every submodule, the root included; one that occurs twice stays one layer."""
    made: dict[int, nn.Module] = {}

    def visit(node: nn.Module) -> nn.Module:
        if id(node) not in made:
            made[id(node)] = node  # a cycle ends here
            made[id(node)] = new = make(node)
            for name, child in list(new._modules.items()):
                if child is not None:
                    new._modules[name] = visit(child)
        return made[id(node)]

    return visit(module)
