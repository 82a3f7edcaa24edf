"""The five extension points. Structural: any object with the right call qualifies, nothing inherits from them.

All but `Combine` are met by an ``nn.Module`` with the right ``forward``. Adding one to the library: one file, one line
in its folder's ``__init__.py``, one case in the contract tests.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from hyperdnn.layout import ParamLayout, ParamSpec
from hyperdnn.typing import Context, Weights

__all__ = ["AnyHypernet", "Body", "Combine", "Encoder", "Head"]


@runtime_checkable
class Encoder(Protocol):
    """Context -> features ``(*contexts, d)``. Keeps the context dimensions.

    One that gives tokens ``(*contexts, n, d)``, or a tuple of them and a boolean mask ``(*contexts, n)`` that is true
    where there is a token, declares ``tokens = True``. One that makes several contexts of each, such as an image's
    cells, declares how many dimensions it appends: ``adds_contexts = 2``.
    """

    features: int
    """Width ``d`` of the output."""

    def __call__(self, context: Context) -> Tensor:
        """Encode one context, or many at once."""


@runtime_checkable
class Body(Protocol):
    """Features ``(*contexts, [slots,] d)`` -> features ``(*contexts, [slots,] h)``. Keeps all leading dimensions.

    One in which slots look at each other declares ``mixes_slots = True``, since it cannot tell slots from contexts. One
    that reads tokens declares ``cross = True`` and is called ``body(slots, tokens, mask=mask)``, the mask or None as
    the encoder gave it. One that makes the slot dimension itself declares ``makes_slots = True`` and how many, as
    ``slots``.
    """

    def __call__(self, features: Tensor) -> Tensor:
        """Transform each row."""


@runtime_checkable
class Head(Protocol):
    """Features ``(*contexts, [slots,] h)`` -> weights with exactly the names and shapes of its layout.

    One that can follow a target whose layers get more rows has two methods more: see `nn.Growing`.
    """

    layout: ParamLayout
    """What it generates."""
    slots: int | None
    """Rows of features for one context, or None if it takes a single one without a slot dimension."""

    def __call__(self, features: Tensor) -> Weights:
        """Fold rows of features into named tensors."""


@runtime_checkable
class Combine(Protocol):
    """The rule from generated tensors and a base tensor to an effective parameter."""

    needs_base: bool
    """Whether the parameter's own value takes part, and must be kept."""

    def specs(self, spec: ParamSpec) -> Sequence[ParamSpec]:
        """What must be generated for one parameter. A change starts at mean 0 so that step 0 is the base exactly."""

    def __call__(self, generated: Sequence[Tensor], base: Tensor | None, shape: tuple[int, ...]) -> Tensor:
        """The effective parameter ``(*contexts, *shape)``."""


@runtime_checkable
class AnyHypernet(Protocol):
    """Context -> weights. What happens inside is its own business."""

    layout: ParamLayout
    """What it generates."""

    def __call__(self, context: Context) -> Weights:
        """Generate weights for one context, or many at once."""
