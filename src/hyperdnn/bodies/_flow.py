"""An invertible body: noise in, numbers with a known density out."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.errors import ConfigError

__all__ = ["Flow"]

_LEAST = 1e-3
"""Added to every scale, so that none is zero."""


@final
class Flow(nn.Module):
    """Scales and shifts each feature, then couples them: invertible, with the volume change at hand.

    Each coupling leaves the first half of the features as it is and scales and shifts the second by a function of the
    first; every other coupling sees the features in reverse order, so that from two of them on each is transformed (of
    an odd number the one in the middle by all of them). Without a coupling, noise becomes a diagonal Gaussian. At the
    start the couplings do nothing, up to a thousandth. Before a `heads.FlatHead` the features are the weights.

    Args:
        features: width of input and output.
        couplings: how many; none for a diagonal flow.
        width: of the hidden layer in each.
        start: logarithm of every feature's scale at the start; about -7 for noise that shall hardly move weights. They
            start around ``shift``, which is zero.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        ``(*contexts, features)`` -> the same.

    Raises:
        ConfigError: for a negative number of couplings, or a single feature that would be coupled.

    Source:
        Krueger et al., "Bayesian Hypernetworks", 2017, section 3; Dinh, Sohl-Dickstein & Bengio, "Density estimation
        using Real NVP", ICLR 2017, section 3.2.
    """

    def __init__(
        self,
        features: int,
        *,
        couplings: int = 1,
        width: int = 200,
        start: float = 0.0,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if couplings < 0:
            raise ConfigError(f"Flow: expected 0 couplings or more, got {couplings}.")
        if couplings and features < 2:
            raise ConfigError(f"Flow: {features} feature cannot be coupled with another. Use couplings=0.")
        self.features = features
        self.couplings = couplings
        self.width = width
        self.start = start
        self.hidden = features
        self.shift = nn.Parameter(torch.zeros(features, device=device, dtype=dtype))
        self.log_scale = nn.Parameter(torch.full((features,), start, device=device, dtype=dtype))
        self.layers = nn.ModuleList(_Coupling(features, width, device, dtype) for _ in range(couplings))

    def forward(self, features: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows features"]:
        return self.with_log_det(features)[0]

    def with_log_det(
        self, features: Float[Tensor, "*rows features"]
    ) -> tuple[Float[Tensor, "*rows features"], Float[Tensor, "*rows"]]:
        """The output, and the logarithm of the determinant of its Jacobian, row by row.

        The output's log-density is the input's minus this.
        """
        scale = self.log_scale.exp() + _LEAST
        out, log_det = features * scale + self.shift, scale.log().sum().expand(features.shape[:-1])
        for number, layer in enumerate(self.layers):
            turned = number % 2 == 1
            out, change = layer(out.flip(-1) if turned else out)
            out, log_det = out.flip(-1) if turned else out, log_det + change
        return out, log_det


class _Coupling(nn.Module):
    """Scales and shifts the second half by a function of the first."""

    def __init__(self, features: int, width: int, device: torch.device | None, dtype: torch.dtype | None) -> None:
        super().__init__()
        self.given = features // 2
        moved = features - self.given
        self.hidden = nn.Linear(self.given, width, device=device, dtype=dtype)
        self.out = nn.Linear(width, 2 * moved, device=device, dtype=dtype)
        for linear in (self.hidden, self.out):
            nn.init.normal_(linear.weight, std=1e-4)
            nn.init.zeros_(linear.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        given, moved = features[..., : self.given], features[..., self.given :]
        log_scale, shift = self.out(F.relu(self.hidden(given))).chunk(2, dim=-1)
        scale = log_scale.exp() + _LEAST
        return torch.cat([given, moved * scale + shift], dim=-1), scale.log().sum(-1)
