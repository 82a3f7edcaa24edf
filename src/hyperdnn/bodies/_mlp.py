"""The usual body."""

from functools import partial
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from hyperdnn.bodies._stack import check_stack, stack, start_
from hyperdnn.errors import ConfigError, nearest
from hyperdnn.nn import activation as make_activation
from hyperdnn.nn import gain, siren_

__all__ = ["MLP"]

_REPARAMETRIZATIONS = {"none": lambda linear: linear, "weight": weight_norm, "spectral": spectral_norm}


@final
class MLP(nn.Module):
    """Linear layers, each followed by an activation.

    Under ``"spectral"`` each call in training refines the estimate of the norms, so that two calls differ a little.
    Where weights of such layers are generated in turn, many contexts need ``mode="loop"``. Reparametrised layers can be
    copied and saved, but torch refuses to pickle them.

    Args:
        features: width of the input.
        widths: width of each layer; the last one is the body's output.
        activation: its name; ``"relu"``, ``"elu"``, ``"gelu"``, ``"silu"``, ``"tanh"``, ...; ``"sine"`` goes with
            neither a norm nor ``"spectral"``.
        w0: frequency of ``"sine"``: 30 for coordinates between -1 and 1, lower for embeddings.
        norm: ``"layer"`` for a layer norm between each linear layer and its activation.
        dropout: share of each layer's output that is dropped in training: the generated weights then differ from call
            to call.
        residual: add each layer's input to its output where the two are equally wide. The output is divided by the
            number of such layers, so that features do not grow with depth.
        reparametrize: ``"weight"`` trains length and direction of each linear layer's rows apart, ``"spectral"`` keeps
            its spectral norm at one.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, [slots,] features)`` -> ``(*contexts, [slots,] hidden)``, with ``hidden = widths[-1]``.

    Raises:
        ConfigError: for no width, an unknown name, options that do not go together, or ``residual`` where no layer is
            as wide as its input.

    Source:
        He et al., "Delving Deep into Rectifiers", ICCV 2015 (how it starts); Ba, Kiros & Hinton, "Layer Normalization",
        2016; Salimans & Kingma, "Weight Normalization", NeurIPS 2016; Miyato et al., "Spectral Normalization for
        Generative Adversarial Networks", ICLR 2018; Sitzmann et al., NeurIPS 2020 (sine).
    """

    def __init__(
        self,
        features: int,
        *widths: int,
        activation: str = "relu",
        w0: float = 30.0,
        norm: Literal["none", "layer"] = "none",
        dropout: float = 0.0,
        residual: bool = False,
        reparametrize: Literal["none", "weight", "spectral"] = "none",
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_stack("MLP", features, widths, norm=norm, residual=residual)
        _check(activation, norm, reparametrize)
        self.features = features
        self.widths = widths
        self.activation = activation
        self.w0 = w0
        self.norm = norm
        self.dropout = dropout
        self.residual = residual
        self.reparametrize = reparametrize
        self.hidden = widths[-1]
        maps: list[nn.Module] = []
        for inputs, outputs in zip((features, *widths), widths, strict=False):
            linear = nn.Linear(inputs, outputs, device=device, dtype=dtype)
            if activation == "sine":
                siren_(linear, w0, first=not maps)
            elif reparametrize == "spectral":
                _start_spectral_(linear, offset=not maps)
            else:
                start_(linear, gain(activation), offset=not maps)
            maps.append(_REPARAMETRIZATIONS[reparametrize](linear))
        make = partial(make_activation, activation, w0=w0)
        self.layers = stack(maps, (features, *widths), make, norm=norm, dropout=dropout, residual=residual)

    def forward(self, features: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows hidden"]:
        out: Tensor = self.layers(features)
        return out


def _check(activation: str, norm: str, reparametrize: str) -> None:
    if reparametrize not in _REPARAMETRIZATIONS:
        raise ConfigError(f"reparametrize '{reparametrize}' is unknown.{nearest(reparametrize, _REPARAMETRIZATIONS)}")
    if activation == "sine" and (norm != "none" or reparametrize == "spectral"):
        raise ConfigError("activation 'sine' sets the scale of its layers itself. Leave out norm= and 'spectral'.")


@torch.no_grad()
def _start_spectral_(linear: nn.Linear, *, offset: bool) -> None:
    # Equal singular values: where a norm of one shrinks the features least. Torch factorises no 16-bit matrix.
    outputs, inputs = linear.weight.shape
    columns = nn.init.orthogonal_(linear.weight.new_empty(outputs, inputs + offset, dtype=torch.float32))
    linear.weight.copy_(columns[:, :inputs])
    linear.bias.copy_(columns[:, inputs:].sum(1))
