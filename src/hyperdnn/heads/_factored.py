"""Two thin factors for each matrix."""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.errors import ConfigError
from hyperdnn.heads._map import empty_map
from hyperdnn.heads._resize import check_longer, extend_map_
from hyperdnn.layout import ParamLayout, ParamSpec
from hyperdnn.nn import Extension, Grown, TensorAffine
from hyperdnn.typing import Weights

__all__ = ["FactoredHead"]


@final
class FactoredHead(nn.Module):
    """Generates two thin factors for each matrix and multiplies them ("low-rank weights"); vectors are generated whole.

    Costs ``hidden * rank * (rows + columns)`` parameters for a matrix. A tensor of more than two dimensions counts as
    the matrix ``(shape[0], rest)``.

    Each generated number has its moments at the start at any rank, but a product of thin factors scatters more than a
    full matrix: after ten ReLU layers without normalisation the second moment of a typical context's activations is
    0.02 of what it should be at rank 2, 0.3 at rank 4, 0.6 at rank 8, and right at rank 16. Matrices too small for such
    a rank want another head (`Join`).

    Args:
        hidden: width of the features coming from the body.
        layout: what to generate.
        rank: columns of each factor.
        init: how generated weights start.
        normalize: scale features to unit root mean square first (see `FullHead`).
        device: where to put the parameters.
        dtype: their type.

    Shape:
        features ``(*contexts, hidden)`` -> each weight ``(*contexts, *spec.shape)``.

    Raises:
        ConfigError: if the rank is not between 1 and the smaller side of every matrix.

    Source:
        Skorokhodov, Ignatyev & Elhoseiny, "Adversarial Generation of Continuous Images", CVPR 2021, section 3, whose
        product modulates a shared matrix; here it is the matrix.
    """

    slots = None

    def __init__(
        self,
        hidden: int,
        layout: ParamLayout,
        rank: int,
        *,
        init: initial.Init = initial.matched,
        normalize: bool = True,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.layout = layout
        self.rank = rank
        self.normalize = normalize
        self._sizes = _sizes(layout, rank)
        self.linear = empty_map(hidden, sum(self._sizes), device=device, dtype=dtype)
        initial.fill_unit_(self.linear)
        means, stds = zip(*init(layout), strict=True)
        self.affine = TensorAffine(means, stds, device=device, dtype=dtype)

    def new_slots(self, layout: ParamLayout) -> tuple[Extension, ...]:
        """None: this head has no slots."""
        check_longer(self.layout, layout, self.linear)
        return ()

    def resize(self, layout: ParamLayout) -> list[Grown]:
        """Generate for a layout with more rows (see `HyperDNN.resize`)."""
        self.new_slots(layout)
        sizes = _sizes(layout, self.rank)
        grown = extend_map_(self.linear, self._sizes, sizes)
        self.layout, self._sizes = layout, sizes
        return grown

    def forward(self, features: Float[Tensor, "*contexts hidden"]) -> Weights:
        if self.normalize:
            features = initial.unit_rms(features)
        contexts = features.shape[:-1]
        pieces = iter(self.linear(features).split(self._sizes, dim=-1))
        raw: Weights = {}
        for spec in self.layout:
            number = next(pieces)
            if len(spec.shape) > 1:
                left = number.unflatten(-1, (spec.shape[0], self.rank))
                right = next(pieces).unflatten(-1, (-1, self.rank))
                # Sum of rank products of independent unit-variance numbers.
                number = left @ right.mT / self.rank**0.5
            raw[spec.name] = number.reshape(contexts + spec.shape)
        weights: Weights = self.affine(raw)
        return weights


def _sizes(layout: ParamLayout, rank: int) -> list[int]:
    return [size for spec in layout for size in _factors(spec, rank)]


def _factors(spec: ParamSpec, rank: int) -> tuple[int, ...]:
    """Numbers of each factor of a tensor; a vector is its own."""
    if len(spec.shape) < 2:
        return (spec.numel,)
    rows, columns = spec.shape[0], math.prod(spec.shape[1:])
    if not 1 <= rank <= min(rows, columns):
        raise ConfigError(
            f"FactoredHead: rank={rank}, but '{spec.name}' is a {rows} x {columns} matrix, expected a rank from 1 to "
            f"{min(rows, columns)}. Lower the rank, or generate '{spec.name}' with another head (heads.Join)."
        )
    return rows * rank, columns * rank
