"""The network that generates weights."""

from collections.abc import Callable
from typing import Any, cast, final

from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.layout import ParamLayout
from hyperdnn.typing import Context, Weights

__all__ = ["Hypernet"]


@final
class Hypernet(nn.Module):
    """Context -> encoder -> [slots] -> body -> head -> weights.

    Any module with the right call will do for a part (see `protocols`); where parts declare their widths, they are
    compared here.

    Args:
        encoder: context -> features ``(*contexts, d)``.
        body: features -> features ``(*contexts, [slots,] hidden)``.
        head: features -> weights; it says what is generated.
        slots: adds the slot dimension for a head that wants one: ``encoders.Slots(head.slots, features=16)``.
        stream: make each tensor only while an operation of the target reads it, and once more for the backward, so that
            the weights never exist all at once (see `nn.StreamedWeight`). For one context, or for many under
            ``mode="loop"``; with ``combine=Replace()``, since a sum with a base is a tensor like any other. Needs a
            head that can (``head.stream``): `FullHead`, `ChunkedHead`.

    Shape:
        context -> each weight ``(*contexts, *shape)``.

    Raises:
        ConfigError: if widths or numbers of slots do not fit, or the head cannot stream.
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
        _fits(encoder, slots, body, head)
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
        features = self.encoder(context)
        if self.slots is not None:
            features = self.slots(features)
        features = self.body(features)
        generate: Callable[[Tensor], Weights] = cast(Any, self.head).stream if self.stream else self.head
        return generate(features)


def _fits(encoder: nn.Module, slots: nn.Module | None, body: nn.Module, head: nn.Module) -> None:
    if not isinstance(getattr(head, "layout", None), ParamLayout):
        raise ConfigError(f"head {type(head).__name__} declares no layout: it must say what it generates.")
    wanted, given = getattr(head, "slots", None), getattr(slots, "slots", None)
    name = type(head).__name__
    if wanted is not None and slots is None:
        raise ConfigError(f"{name} takes {wanted} slots. Add slots=encoders.Slots({wanted}, features=16).")
    if wanted is None and slots is not None and hasattr(head, "slots"):
        raise ConfigError(f"{name} takes no slots. Leave out slots=, or use ChunkedHead or ComponentHead.")
    if slots is None and getattr(body, "mixes_slots", False):
        raise ConfigError(
            f"body {type(body).__name__} mixes slots, and without slots= it would take several contexts for them. Use "
            "a head with slots (ChunkedHead, ComponentHead), or bodies.MLP."
        )
    if wanted is not None and given is not None and wanted != given:
        raise ConfigError(f"{name} takes {wanted} slots, but slots= gives {given}.")
    widths = [getattr(part, "features", None) for part in (encoder, slots) if part is not None]
    numbers = [width for width in widths if isinstance(width, int)]
    total = sum(numbers) if len(numbers) == len(widths) else None
    _same("body", body, "features", total, "the encoder's and slots' features together are")
    _same("head", head, "hidden", getattr(body, "hidden", None), "the body's output is")


def _same(role: str, part: nn.Module, attribute: str, width: object, what: str) -> None:
    declared = getattr(part, attribute, None)
    if isinstance(declared, int) and isinstance(width, int) and declared != width:
        raise ConfigError(f"{role} {type(part).__name__} takes {declared} {attribute}, but {what} {width} wide.")
