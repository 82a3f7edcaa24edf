"""The network that generates weights."""

from collections.abc import Callable
from typing import Any, cast, final

from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.layout import ParamLayout
from hyperdnn.models._fits import check_parts, declares, explain
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
        stream: make each tensor only while an operation of the target reads it, and once more for the backward, so that
            the weights never exist all at once (see `nn.StreamedWeight`). For one context, or for many under
            ``mode="loop"``; with ``combine=Replace()``, since a sum with a base is a tensor like any other. Needs a
            head that can (``head.stream``): `FullHead`, `ChunkedHead`.

    Shape:
        context -> each weight ``(*contexts, *shape)``.

    Raises:
        ConfigError: if widths, numbers of slots, or encoder and body do not fit, or the head cannot stream.
        ContextError: if the body cannot take the features for their type or device, which an encoder without numbers of
            its own hands on from the context.
    """

    def __init__(
        self,
        *,
        encoder: nn.Module,
        body: nn.Module,
        head: nn.Module,
        slots: nn.Module | None = None,
        stream: bool = False,
    ) -> None:
        super().__init__()
        check_parts(encoder, slots, body, head)
        if stream and not hasattr(head, "stream"):
            raise ConfigError(f"stream=True: {type(head).__name__} has no stream(). Use FullHead or ChunkedHead.")
        self.stream = stream
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
        return self.from_features(self.encoder(context))

    def from_features(self, features: Tensor | tuple[Tensor, Tensor | None]) -> Weights:
        """The weights for features that no context may have: on the way between two, or a step along one of them.

        Args:
            features: as the encoder makes them, tokens with their mask where it makes these.
        """
        try:
            rows = self._read(features) if declares(self.body, "cross") else self._transform(cast(Tensor, features))
        except (RuntimeError, NotImplementedError) as error:
            explain(error, features, self.body)
            raise
        generate: Callable[[Tensor], Weights] = cast(Any, self.head).stream if self.stream else self.head
        return generate(rows)

    def _transform(self, features: Tensor) -> Tensor:
        rows: Tensor = self.body(features if self.slots is None else self.slots(features))
        return rows

    def _read(self, features: Tensor | tuple[Tensor, Tensor | None]) -> Tensor:
        tokens, mask = features if isinstance(features, tuple) else (features, None)
        assert self.slots is not None
        nothing = tokens.new_empty(*tokens.shape[:-2], 0)  # slots are their embeddings alone
        rows: Tensor = self.body(self.slots(nothing), tokens, mask=mask)
        return rows
