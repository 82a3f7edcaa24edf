"""Layers that cannot run with weights from outside: ours in, torch's back."""

from collections.abc import Callable, Mapping

from torch import nn

from hyperdnn._torch import BatchNormBase, WeightNormBase
from hyperdnn.errors import LayoutError
from hyperdnn.layout import ParamLayout
from hyperdnn.nn import Lookup, PooledBatchNorm, Recurrent, RecurrentCell, WeightNorm

__all__ = ["can_pool", "check_recurrent", "restore", "swap_batch_norm", "swap_layers"]

_RECURRENT = (nn.LSTM, nn.GRU, nn.RNN)
_CELLS = (nn.LSTMCell, nn.GRUCell, nn.RNNCell)
_BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_always_called",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def swap_layers(module: nn.Module) -> nn.Module:
    """Replace torch's recurrent layers, cells, embeddings and weight norms; subclasses stay, with their own forward."""

    def ours(layer: nn.Module) -> nn.Module:
        if type(layer) in _RECURRENT:
            assert isinstance(layer, nn.RNNBase)
            return Recurrent(layer)
        if type(layer) in _CELLS:
            assert isinstance(layer, nn.RNNCellBase)
            return RecurrentCell(layer)
        if type(layer) is WeightNormBase:
            return WeightNorm(layer)
        return Lookup(layer) if type(layer) is nn.Embedding else layer

    return _replace(module, ours)


def check_recurrent(module: nn.Module, layout: ParamLayout) -> None:
    """Verify that no generated parameter belongs to a recurrent layer that cannot be swapped.

    Raises:
        LayoutError: naming the layer: it keeps a list of its weights and would run on old ones.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, nn.RNNBase) and type(layer) not in _RECURRENT:
            inside = [spec.name for spec in layout if spec.name.startswith(f"{name}." if name else "")]
            if inside:
                raise LayoutError(
                    f"'{inside[0]}' belongs to a {type(layer).__name__}, whose weights cannot come from outside. Use "
                    "nn.LSTM, nn.GRU or nn.RNN itself, without weight norm, or do not select it."
                )


def swap_batch_norm(module: nn.Module) -> nn.Module:
    """Replace torch's batch normalisation that keeps running statistics by the pooled one."""

    def ours(layer: nn.Module) -> nn.Module:
        if can_pool(layer) and isinstance(layer, BatchNormBase) and layer.running_mean is not None:
            return PooledBatchNorm(layer)
        return layer

    return _replace(module, ours)


def can_pool(layer: nn.Module) -> bool:
    """Whether the layer is one whose statistics `PooledBatchNorm` can pool."""
    return type(layer) in _BATCH_NORM


def restore(module: nn.Module, keep: type[nn.Module] | tuple[()] = ()) -> nn.Module:
    """Put torch's own layers back, with the parameters that are there now.

    Args:
        module: where our layers are.
        keep: modules of this class stay as they are: a target that stands inside the module still needs our layers.
    """

    def theirs(layer: nn.Module) -> nn.Module:
        if not isinstance(layer, Lookup | Recurrent | RecurrentCell | PooledBatchNorm | WeightNorm):
            return layer
        original = layer.restore()
        original.train(layer.training)
        for name, parameter in layer.named_parameters(recurse=False):
            setattr(original, name, parameter)
        return original

    inside = [inner for node in module.modules() if isinstance(node, keep) for inner in node.modules()]
    return _replace(module, theirs, {id(inner): inner for inner in inside})


def _replace(
    module: nn.Module, make: Callable[[nn.Module], nn.Module], settled: Mapping[int, nn.Module] | None = None
) -> nn.Module:
    """Apply ``make`` to every submodule, the root included, save those settled; one that occurs twice stays one."""
    made: dict[int, nn.Module] = dict(settled or {})

    def visit(node: nn.Module) -> nn.Module:
        if id(node) not in made:
            made[id(node)] = node  # a cycle ends here
            made[id(node)] = new = make(node)
            for hooks in _HOOKS:
                setattr(new, hooks, getattr(node, hooks))
            for name, child in list(new._modules.items()):
                if child is not None:
                    new._modules[name] = visit(child)
        return made[id(node)]

    return visit(module)
