"""Dropout that stays on."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.nn import HyperLSTMCell, Recurrent

__all__ = ["keep_dropout"]

_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


@contextmanager
def keep_dropout(module: nn.Module) -> Iterator[None]:
    """Within this context the module's dropout is on, and everything else in it is as in evaluation.

    Of a hypernet, each context in a batch then gets a mask of its own, which makes one set of weights that all samples
    share: ``model.ensemble(torch.zeros(50, dtype=torch.long))`` is 50 draws of the first task's network. Norms use
    their statistics and spectral norms stay where they are; afterwards every module is in the mode it was in. For
    masks shared by several contexts: ``torch.vmap(hypernet, in_dims=1, out_dims=1, randomness="same")``, which maps
    over the second of the context dimensions.

    Args:
        module: a hypernet, a body or a plain network.

    Raises:
        ConfigError: if there is no dropout in it: all draws would be the same.

    Source:
        Gal & Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016, section 4; Chauhan et al., "Dynamic
        Inter-treatment Information Sharing for Heterogeneous Treatment Effects Estimation", 2023 (of a hypernet).
    """
    layers = [layer for layer in module.modules() if _drops(layer)]
    if not layers:
        raise ConfigError(
            f"{type(module).__name__} has no dropout that could stay on: all draws would be the same. "
            "Build it with dropout, as in bodies.MLP(7, 32, dropout=0.1)."
        )
    modes = [(layer, layer.training) for layer in module.modules()]
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        module.eval()
        for layer in layers:
            layer.training = True
        torch.backends.mha.set_fastpath_enabled(False)  # a transformer layer in evaluation takes it past its dropout
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for layer, mode in modes:
            layer.training = mode


def _drops(layer: nn.Module) -> bool:
    if isinstance(layer, _DROPOUT):
        return layer.p > 0
    if isinstance(layer, HyperLSTMCell):
        return layer.recurrent_dropout > 0
    return isinstance(layer, nn.RNNBase | Recurrent | nn.MultiheadAttention) and layer.dropout > 0
