"""Each weight as a function of its position."""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn import init as initial
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.layout import ParamLayout
from hyperdnn.nn import TensorAffine
from hyperdnn.typing import Weights

__all__ = ["CoordinateHead"]

_PHASE = 2.0
"""Deviation of the phases of all layers but the first: so wide that they lie anywhere on the circle, and sines of them
mix the first layer's waves. At 1 a sine is nearly its phase, a sum of few waves, and some contexts start dead."""


@final
class CoordinateHead(nn.Module):
    """Generates each weight from its position in the target, by one small network of sines for all of them.

    A position is the place in the tensor, from -1 to 1 in each of its dimensions (output, input, kernel), and a learned
    code of the tensor. Both enter, like the features, as phases of the first layer, so that what depends on the
    position alone is computed once for all contexts. The number of parameters does not depend on the sizes of tensors,
    and the same parameters generate larger ones (`decode`).

    Costs ``2 * layers * contexts * numel * width`` numbers of memory in training: for a large target generate few
    contexts at a time. Keep the head in float32 at least, for half precision blurs phases; autocast leaves it alone.

    Each number has its layout's moments over draws of the head and contexts. How far the numbers of one tensor are
    independent is a matter of ``frequency``. Under the default neighbours are, and a target starts as under other
    heads. A low one makes smooth tensors: a bias of three numbers is then three times nearly the same, and matrices add
    up whatever follows their pattern, so that a deep target without normalisation explodes (at 10, ten layers of width
    64 by a factor of 10^4). Scale matrices down by ``init`` there.

    Args:
        hidden: width of the features coming from the body.
        layout: what to generate.
        width: of the network of sines. All weights share it, so a narrow one learns slowly: at 256 it kept up with
            other heads on targets of ten thousand weights, at 32 it did not.
        layers: hidden ones of it; at least two mix waves into something without a pattern.
        frequency: standard deviation of the first layer's frequencies, in radians for each unit of a coordinate. Low
            ones make tensors smooth; left out, neighbours in the longest dimension are independent.
        init: how generated weights start.
        normalize: scale features to unit root mean square first; without it as for `FullHead`.
        device: where to put the parameters.
        dtype: their type.

    Shape:
        features ``(*contexts, hidden)`` -> each weight ``(*contexts, *spec.shape)``.

    Raises:
        ConfigError: if there is no layer, or the frequency is not positive.

    Source:
        Stanley, D'Ambrosio & Gauci, "A Hypercube-Based Encoding for Evolving Large-Scale Neural Networks", Artificial
        Life 2009, with gradients for evolution; Sitzmann et al., "Implicit Neural Representations with Periodic
        Activation Functions", NeurIPS 2020.
    """

    slots = None

    def __init__(
        self,
        hidden: int,
        layout: ParamLayout,
        *,
        width: int = 32,
        layers: int = 2,
        frequency: float | None = None,
        init: initial.Init = initial.matched,
        normalize: bool = True,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if frequency is None:  # waves up to the shortest that the longest dimension can show
            frequency = math.pi / 2 * max([1, *(size for spec in layout for size in spec.shape)])
        if layers < 1 or width < 1 or not 0 < frequency < math.inf:
            raise ConfigError(
                f"CoordinateHead: width={width}, layers={layers}, frequency={frequency}: expected positive numbers."
            )
        self.hidden = hidden
        self.layout = layout
        self.width = width
        self.layers = layers
        self.frequency = frequency
        self.normalize = normalize
        dims = max([1, *(len(spec.shape) for spec in layout)])
        self.features = nn.Linear(hidden, width, bias=False, device=device, dtype=dtype)
        self.position = nn.Linear(dims, width, bias=False, device=device, dtype=dtype)
        self.codes = nn.Parameter(torch.empty(len(layout), width, device=device, dtype=dtype))
        self.linears = nn.ModuleList(nn.Linear(width, width, device=device, dtype=dtype) for _ in range(layers - 1))
        # No bias: it would move all weights of the target at once, by far the steepest direction of any loss.
        self.out = nn.Linear(width, 1, bias=False, device=device, dtype=dtype)
        self._start()
        means, stds = zip(*init(layout), strict=True)
        self.affine = TensorAffine(means, stds, device=device, dtype=dtype)

    def forward(self, features: Float[Tensor, "*contexts hidden"]) -> Weights:
        return self._generate(features, self.layout)

    def decode(self, features: Float[Tensor, "*contexts hidden"], layout: ParamLayout) -> Weights:
        """Generate for a layout with the same tensors of other sizes: the same function, read at other places.

        Matrices are scaled by the ratio of fan-ins, since more of their numbers are summed: right for weights and for
        changes of them, not for the parts that `LowRank` and `Gaussian` make of a matrix. This is of use at a low
        ``frequency``: numbers between those of training are otherwise as good as random.

        Args:
            features: as for the call.
            layout: the same tensors in other sizes, as in ``ParamLayout.of(larger_network)``.

        Raises:
            LayoutError: if the layout has other tensors, or tensors with another number of dimensions.
        """
        forms = [[(spec.name, len(spec.shape)) for spec in one] for one in (self.layout, layout)]
        if forms[0] != forms[1]:
            raise LayoutError(
                f"decode takes the same tensors in other sizes, but in the head's layout "
                f"{self.layout.difference(layout)}."
            )
        weights = self._generate(features, layout)
        for old, new in zip(self.layout, layout, strict=True):
            if len(new.shape) > 1:  # a bias is added once, however many inputs there are
                weights[new.name] = weights[new.name] * (old.fan_in / new.fan_in)
        return weights

    def _generate(self, features: Tensor, layout: ParamLayout) -> Weights:
        if features.is_meta or not torch.is_autocast_enabled(features.device.type):
            return self._waves(features, layout)
        with torch.autocast(features.device.type, enabled=False):
            return self._waves(features.to(self.out.weight.dtype), layout)

    def _waves(self, features: Tensor, layout: ParamLayout) -> Weights:
        if self.normalize:
            features = initial.unit_rms(features)
        codes = torch.cat([code.expand(size, -1) for code, size in zip(self.codes, layout.sizes, strict=True)])
        phase = self.features(features).unsqueeze(-2) + (
            self.position(_coordinates(layout, self.position.weight)) + codes
        )
        for linear in self.linears:
            phase = linear(phase.sin())
        flat = self.out(phase.sin()).squeeze(-1)
        weights: Weights = self.affine(layout.split(flat))
        return weights

    @torch.no_grad()
    def _start(self) -> None:
        self.features.weight.normal_(0, self.hidden**-0.5)
        self.position.weight.normal_(0, self.frequency)
        self.codes.uniform_(-math.pi, math.pi)
        for linear in self.linears:
            assert isinstance(linear, nn.Linear)
            _fill(linear.weight, _PHASE)
            linear.bias.zero_()
        _fill(self.out.weight, 1.0)


def _fill(weight: Tensor, std: float) -> None:
    """Give a map of sines outputs of this deviation.

    Rows of equal length, not only on average: all numbers of the target go through them, and one that came out long
    would make every layer too strong.
    """
    rows = nn.functional.normalize(torch.randn_like(weight))
    weight.copy_(rows * std * 2**0.5)  # a sine of any phase has a mean square of 1/2


def _coordinates(layout: ParamLayout, weight: Float[Tensor, "width dims"]) -> Float[Tensor, "numel dims"]:
    """Where each number is: centres of equal cells between -1 and 1; dimensions that a tensor lacks are 0.

    Made anew in every call, cheap beside what follows: a buffer would keep what ``.to()`` rounds, and be lost on the
    meta device.

    Args:
        layout: the tensors.
        weight: of the map that reads positions.
    """
    dims = weight.shape[1]
    exact = torch.promote_types(weight.dtype, torch.float32)
    places = []
    for spec in layout:
        axes = [(2 * torch.arange(n, device=weight.device, dtype=exact) + 1) / n - 1 for n in spec.shape]
        inside = torch.cartesian_prod(*axes) if axes else weight.new_zeros(1, dtype=exact)
        places.append(F.pad(inside.reshape(spec.numel, max(1, len(axes))), (0, dims - max(1, len(axes)))))
    return torch.cat(places).to(weight.dtype)
