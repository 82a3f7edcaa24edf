"""How generated and base tensors make an effective parameter."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.layout import ParamSpec
from hyperdnn.typing import Weights

__all__ = ["Gaussian", "LowRank", "Replace", "Residual", "Scale"]


@final
@dataclass(frozen=True)
class Replace:
    """The generated tensor is the parameter."""

    needs_base = False

    def specs(self, spec: ParamSpec) -> Sequence[ParamSpec]:
        """The parameter itself."""
        return (spec,)

    def __call__(self, generated: Sequence[Tensor], base: Tensor | None, shape: tuple[int, ...]) -> Tensor:
        return generated[0]


@final
@dataclass(frozen=True)
class Residual:
    """Base + generated: the hypernet generates a change, zero at the start."""

    needs_base = True

    def specs(self, spec: ParamSpec) -> Sequence[ParamSpec]:
        """One change of the parameter's shape."""
        return (_change(spec),)

    def __call__(self, generated: Sequence[Tensor], base: Tensor | None, shape: tuple[int, ...]) -> Tensor:
        return _base(base) + generated[0]


@final
@dataclass(frozen=True)
class Scale:
    """Base x (1 + generated): each base weight is scaled by a factor that starts at one.

    A base weight of zero stays zero, and what is generated for it has no gradient: scale no factor of LoRA that starts
    at zero, for which `Residual` is meant.
    """

    needs_base = True

    def specs(self, spec: ParamSpec) -> Sequence[ParamSpec]:
        """One relative change of the parameter's shape."""
        return (_change(spec),)

    def __call__(self, generated: Sequence[Tensor], base: Tensor | None, shape: tuple[int, ...]) -> Tensor:
        # Not base * (1 + g): base + base * g is exactly the base at g = 0 in every floating-point format.
        return _base(base) + _base(base) * generated[0]


@final
@dataclass(frozen=True)
class LowRank:
    """Base + left right^T: generates two thin factors for each matrix, and a plain change for each vector.

    A tensor of more than two dimensions counts as the matrix ``(shape[0], rest)``. The product is built for every
    call; for factors that are applied and never multiplied out, attach LoRA modules instead.

    Args:
        rank: columns of each factor.

    Raises:
        ConfigError: if the rank is not between 1 and the smaller side of every matrix.
    """

    rank: int

    needs_base = True

    def specs(self, spec: ParamSpec) -> Sequence[ParamSpec]:
        """``<name>.left (rows, rank)`` and ``<name>.right (columns, rank)``; the second starts at zero."""
        if len(spec.shape) < 2:
            return (_change(spec),)
        rows, columns = spec.shape[0], math.prod(spec.shape[1:])
        if not 1 <= self.rank <= min(rows, columns):
            raise ConfigError(
                f"LowRank({self.rank}): '{spec.name}' is a {rows} x {columns} matrix, expected a rank from 1 to "
                f"{min(rows, columns)}. Select fewer tensors or a lower rank."
            )
        left = replace(_change(spec, "left"), shape=(rows, self.rank), init_std=rows**-0.5)
        return left, replace(_change(spec, "right"), shape=(columns, self.rank))

    def __call__(self, generated: Sequence[Tensor], base: Tensor | None, shape: tuple[int, ...]) -> Tensor:
        if len(generated) == 1:
            return _base(base) + generated[0]
        left, right = generated
        product = left @ right.mT
        return _base(base) + product.reshape(product.shape[:-2] + shape)


@final
@dataclass(frozen=True)
class Gaussian:
    """A distribution over weights: generates mean and log-scale of each number, and every call draws a sample.

    The sample is reparameterised, ``mean + exp(log_scale) * noise``, so gradients reach both. Each call draws once for
    each context; for several samples repeat the context. `Target.bake` draws too: a baked network is one sample.
    Through `at_mean` every verb runs the mean instead. Losses are in `lab.losses`.

    The mean starts as the target would have started. Rules of `init` that look at layers know neither of the two
    tensors and leave both at that start.

    Args:
        scale: initial deviation, relative to the root mean square of the tensor's own initial values; absolute for a
            tensor of zeros.
        generator: what noise is drawn with, on its own device; torch's global one by default. It is not saved, and a
            model that has one does not compile as one graph.

    Raises:
        ConfigError: if the scale is not a positive number.

    Source:
        Blundell, Cornebise, Kavukcuoglu & Wierstra, "Weight Uncertainty in Neural Networks", ICML 2015, section 3.2.
    """

    scale: float = 0.1
    generator: torch.Generator | None = field(default=None, compare=False, repr=False)

    needs_base = False

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise ConfigError(f"Gaussian: scale={self.scale}, expected a positive number.")

    def specs(self, spec: ParamSpec) -> Sequence[ParamSpec]:
        """``<name>.mean`` and ``<name>.log_scale``, both of the parameter's shape."""
        size = math.hypot(spec.init_mean, spec.init_std)
        mean = replace(spec, name=f"{spec.name}.mean", kind="other", aliases=())
        start = math.log(self.scale * (size or 1.0))
        return mean, replace(mean, name=f"{spec.name}.log_scale", init_mean=start, init_std=0.0)

    def __call__(self, generated: Sequence[Tensor], base: Tensor | None, shape: tuple[int, ...]) -> Tensor:
        mean, log_scale = generated
        return mean + log_scale.exp() * self._noise(mean)

    @staticmethod
    def at_mean(weights: Weights) -> Weights:
        """The same weights without variance: every sample of them is the mean exactly."""
        return {
            name: torch.full_like(tensor, -math.inf) if name.endswith(".log_scale") else tensor
            for name, tensor in weights.items()
        }

    def _noise(self, like: Tensor) -> Tensor:
        if self.generator is None:
            return torch.randn_like(like)
        return torch.randn(like.shape, generator=self.generator, device=self.generator.device).to(like)


def _change(spec: ParamSpec, factor: str = "") -> ParamSpec:
    # Aliases go: a tied parameter is filled under all its names after combining, not before.
    name = f"{spec.name}.{factor}" if factor else spec.name
    return replace(spec, name=name, kind="change", init_mean=0.0, init_std=0.0, aliases=())


def _base(base: Tensor | None) -> Tensor:
    assert base is not None  # Target keeps the base of every combine that needs one
    return base
