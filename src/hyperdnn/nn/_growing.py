"""What a head can do that follows a target whose layers get more rows."""

from typing import Protocol, runtime_checkable

from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.layout import ParamLayout
from hyperdnn.nn._rows import Extension, Grown

__all__ = ["Growing", "growing"]


@runtime_checkable
class Growing(Protocol):
    """A head that can follow. Structural, like all protocols: a head of one's own qualifies by these two methods."""

    def new_slots(self, layout: ParamLayout) -> tuple[Extension, ...]:
        """Slots that a layout with more rows adds. Changes nothing; raises whatever `resize` would."""

    def resize(self, layout: ParamLayout) -> list[Grown]:
        """Generate for a layout with more rows, old rows as before. Returns the parameters that were replaced."""


def growing(head: nn.Module) -> Growing:
    """The head, if it can follow.

    Raises:
        ConfigError: if not, with the heads that can.
    """
    if not isinstance(head, Growing):
        raise ConfigError(
            f"{type(head).__name__} cannot grow: it would generate other weights for the old rows. Use FullHead, "
            "MultiHead, FactoredHead or ComponentHead(component='row'), also inside Join and Linked."
        )
    return head
