"""Whether the parts of a hypernet fit each other."""

from torch import Tensor, nn

from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.layout import ParamLayout

__all__ = ["check_parts", "declares", "explain"]


def declares(part: nn.Module | None, trait: str) -> bool:
    """Whether a part says so of itself; a layer of somebody's that happens to have the name says nothing."""
    return getattr(part, trait, False) is True


def check_parts(encoder: nn.Module, slots: nn.Module | None, body: nn.Module, head: nn.Module) -> None:
    """Compare what the parts declare: the layout, numbers of slots, tokens, widths.

    Raises:
        ConfigError: with the part that would do.
    """
    if not isinstance(getattr(head, "layout", None), ParamLayout):
        raise ConfigError(f"head {type(head).__name__} declares no layout: it must say what it generates.")
    _check_tokens(encoder, slots, body)
    _check_slots(slots, body, head)
    _check_widths(encoder, slots, body, head)


def explain(error: Exception, features: object, body: nn.Module) -> None:
    """Say of an error inside a body that it was the type or the device of the features, if these differ from its own.

    Raises:
        ContextError: with the conversion that is wanted.
    """
    rows = features[0] if isinstance(features, tuple) else features
    own = next((p for p in body.parameters() if p.is_floating_point()), None)
    if own is None or not isinstance(rows, Tensor) or (rows.dtype, rows.device) == (own.dtype, own.device):
        return
    raise ContextError(
        f"body {type(body).__name__} computes in {own.dtype} on {own.device}, the encoder gives {rows.dtype} on "
        f"{rows.device}. Convert the context: context.to('{own.device}', {own.dtype})."
    ) from error


def _check_tokens(encoder: nn.Module, slots: nn.Module | None, body: nn.Module) -> None:
    cross, tokens = declares(body, "cross"), declares(encoder, "tokens")
    reader, source = type(body).__name__, type(encoder).__name__
    if cross and not tokens:
        raise ConfigError(
            f"body {reader} reads tokens, but encoder {source} gives one row for each context. Use encoders.Tokens, an "
            "encoder of yours that declares tokens = True, or bodies.Attention."
        )
    if tokens and not cross:
        raise ConfigError(
            f"encoder {source} gives tokens, which body {reader} does not read. Use bodies.CrossAttention, or "
            "encoders.Set, which makes one row of them."
        )
    if cross and slots is None:
        raise ConfigError(
            f"body {reader} needs slots to read the tokens: one for each part of the weights. Use a head with slots "
            "(ChunkedHead, ComponentHead) and slots=encoders.Slots(head.slots, features=16)."
        )


def _check_slots(slots: nn.Module | None, body: nn.Module, head: nn.Module) -> None:
    makes = declares(body, "makes_slots")
    wanted, given = getattr(head, "slots", None), getattr(body if makes else slots, "slots", None)
    name, maker = type(head).__name__, type(body).__name__
    if makes and slots is not None:
        raise ConfigError(f"body {maker} makes the slots itself. Leave out slots=, or use bodies.MLP.")
    if makes and wanted is None and hasattr(head, "slots"):
        raise ConfigError(f"{name} takes no slots, but body {maker} makes them. Use bodies.MLP, or a head with slots.")
    if wanted is not None and slots is None and not makes:
        raise ConfigError(f"{name} takes {wanted} slots. Add slots=encoders.Slots({wanted}, features=16).")
    if wanted is None and slots is not None and hasattr(head, "slots"):
        raise ConfigError(f"{name} takes no slots. Leave out slots=, or use ChunkedHead or ComponentHead.")
    if slots is None and declares(body, "mixes_slots"):
        raise ConfigError(
            f"body {maker} mixes slots, and without slots= it would take several contexts for them. Use "
            "a head with slots (ChunkedHead, ComponentHead), or bodies.MLP."
        )
    if wanted is not None and given is not None and wanted != given:
        source = f"body {maker}" if makes else "slots="
        raise ConfigError(f"{name} takes {wanted} slots, but {source} gives {given}.")


def _check_widths(encoder: nn.Module, slots: nn.Module | None, body: nn.Module, head: nn.Module) -> None:
    if declares(body, "cross"):  # the slots are their embeddings alone
        _same("body", body, "features", getattr(slots, "features", None), "the slots' features are")
        _same("body", body, "token_features", getattr(encoder, "features", None), "the encoder's tokens are")
    else:
        widths = [getattr(part, "features", None) for part in (encoder, slots) if part is not None]
        numbers = [width for width in widths if isinstance(width, int)]
        total = sum(numbers) if len(numbers) == len(widths) else None
        _same("body", body, "features", total, "the encoder's and slots' features together are")
    _same("head", head, "hidden", getattr(body, "hidden", None), "the body's output is")


def _same(role: str, part: nn.Module, attribute: str, width: object, what: str) -> None:
    declared = getattr(part, attribute, None)
    if isinstance(declared, int) and isinstance(width, int) and declared != width:
        raise ConfigError(f"{role} {type(part).__name__} takes {declared} {attribute}, but {what} {width} wide.")
