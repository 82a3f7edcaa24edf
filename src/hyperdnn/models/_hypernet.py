"""The network that generates weights."""

from typing import final

from torch import Tensor, nn

from hyperdnn.layout import ParamLayout
from hyperdnn.models._fits import check_parts, declares
from hyperdnn.typing import Context, Weights

__all__ = ["Hypernet"]


@final
class Hypernet(nn.Module):
    """Context -> encoder -> [slots] -> body -> head -> weights.

    Any module with the right call will do for a part (see `protocols`); where parts declare their widths, they are
    compared here. A body that declares ``cross`` is called ``body(slots, tokens, mask=mask)``: it goes with an encoder
    that gives tokens, and its slots are their embeddings alone.

    Args:
        encoder: context -> features ``(*contexts, d)``, or tokens ``(*contexts, n, d)`` with or without a mask.
        body: features -> features ``(*contexts, [slots,] hidden)``.
        head: features -> weights; it says what is generated.
        slots: adds the slot dimension for a head that wants one: ``encoders.Slots(head.slots, features=16)``. Left out
            where the body makes the slots itself.

    Shape:
        context -> each weight ``(*contexts, *shape)``.

    Raises:
        ConfigError: if widths, numbers of slots, or encoder and body do not fit.
    """

    def __init__(self, *, encoder: nn.Module, body: nn.Module, head: nn.Module, slots: nn.Module | None = None) -> None:
        super().__init__()
        check_parts(encoder, slots, body, head)
        self.encoder = encoder
        self.slots = slots
        self.body = body
        self.head = head

    @property
    def layout(self) -> ParamLayout:
        """What is generated."""
        layout = self.head.layout
        assert isinstance(layout, ParamLayout)
        return layout

    def forward(self, context: Context) -> Weights:
        features = self.encoder(context)
        rows = self._read(features) if declares(self.body, "cross") else self._transform(features)
        weights: Weights = self.head(rows)
        return weights

    def _transform(self, features: Tensor) -> Tensor:
        rows: Tensor = self.body(features if self.slots is None else self.slots(features))
        return rows

    def _read(self, features: Tensor | tuple[Tensor, Tensor | None]) -> Tensor:
        tokens, mask = features if isinstance(features, tuple) else (features, None)
        assert self.slots is not None
        nothing = tokens.new_empty(*tokens.shape[:-2], 0)  # slots are their embeddings alone
        rows: Tensor = self.body(self.slots(nothing), tokens, mask=mask)
        return rows
