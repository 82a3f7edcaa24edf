"""The usual body."""

from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.nn import Residual, siren_
from hyperdnn.nn import activation as make_activation

__all__ = ["MLP"]

_NORMS = ("none", "layer")
_REPARAMETRIZATIONS = {"none": lambda linear: linear, "weight": weight_norm, "spectral": spectral_norm}


@final
class MLP(nn.Module):
    """Linear layers, each followed by an activation.

    Under ``"spectral"`` each call in training refines the estimate of the norms, so that two calls differ a little.
    Reparametrised layers can be copied and saved, but torch refuses to pickle them, and where their weights are
    generated in turn many contexts need ``mode="loop"``.

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
        if not widths:
            raise ConfigError("MLP needs at least one width, as in MLP(7, 32).")
        _check(activation, norm, reparametrize)
        sizes = list(zip((features, *widths), widths, strict=False))
        branches = sum(inputs == outputs for inputs, outputs in sizes) if residual else 0
        if residual and not branches:
            raise ConfigError(
                f"residual: no layer of MLP{(features, *widths)} is as wide as its input. Repeat a width."
            )
        self.features = features
        self.widths = widths
        self.activation = activation
        self.w0 = w0
        self.norm = norm
        self.dropout = dropout
        self.residual = residual
        self.reparametrize = reparametrize
        self.hidden = widths[-1]
        layers: list[nn.Module] = []
        for inputs, outputs in sizes:
            linear = nn.Linear(inputs, outputs, device=device, dtype=dtype)
            if activation == "sine":
                siren_(linear, w0, first=not layers)
            else:
                _start_(linear, spectral=reparametrize == "spectral")
            layer = [_REPARAMETRIZATIONS[reparametrize](linear)]
            if norm == "layer":
                layer.append(nn.LayerNorm(outputs, device=device, dtype=dtype))
            layer.append(make_activation(activation, w0=w0))
            if dropout:
                layer.append(nn.Dropout(dropout))
            layers += [Residual(*layer, scale=1 / branches)] if residual and inputs == outputs else layer
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows hidden"]:
        out: Tensor = self.layers(features)
        return out


def _check(activation: str, norm: str, reparametrize: str) -> None:
    if norm not in _NORMS:
        raise ConfigError(f"norm '{norm}' is unknown.{nearest(norm, _NORMS)}")
    if reparametrize not in _REPARAMETRIZATIONS:
        raise ConfigError(f"reparametrize '{reparametrize}' is unknown.{nearest(reparametrize, _REPARAMETRIZATIONS)}")
    if activation == "sine" and (norm != "none" or reparametrize == "spectral"):
        raise ConfigError("activation 'sine' sets the scale of its layers itself. Leave out norm= and 'spectral'.")


@torch.no_grad()
def _start_(linear: nn.Linear, *, spectral: bool) -> None:
    if spectral:
        # Equal singular values: where a norm of one shrinks the features least. Torch factorises no 16-bit matrix.
        linear.weight.copy_(nn.init.orthogonal_(torch.empty_like(linear.weight, dtype=torch.float32)))
    else:
        nn.init.kaiming_normal_(linear.weight)  # torch's default would shrink the features layer by layer
    nn.init.zeros_(linear.bias)
