"""A decoder of transformers that reads characters."""

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.lab.config import check_least
from hyperdnn.lab.data import VoiceBatch, Voices
from hyperdnn.lab.language._transformers import transformers
from hyperdnn.lab.train import Settings, State, pretrained

__all__ = ["CharacterModel", "character_model", "losses", "plain"]


@final
@dataclass(frozen=True, kw_only=True)
class CharacterModel:
    """Settings of a small Mistral.

    Args:
        seed: of everything in its training.
        features: width of a character's features.
        hidden: width inside of the feed-forward networks.
        layers: how many.
        attention_heads: in each.
        keys: heads of keys and values; fewer than the others, which then share them.
        passages: of text in a batch.
        train: the settings of its training.

    Raises:
        ConfigError: a number that makes no sense.
    """

    seed: int = 0
    features: int = 96
    hidden: int = 256
    layers: int = 2
    attention_heads: int = 4
    keys: int = 4
    passages: int = 16
    train: Settings = Settings(iterations=4000, batch_size=1, lr=2e-3, schedule="cosine")

    def __post_init__(self) -> None:
        check_least(self, 1, "features", "hidden", "layers", "attention_heads", "keys", "passages")


def character_model(settings: CharacterModel, voices: Voices) -> nn.Module:
    """A Mistral that has learnt to go on with the text ``voices.base``; trained the first time, then kept.

    Called with numbers of symbols ``(passages, characters)``, it returns what transformers' models return, with
    ``logits`` of the next character after each. It is frozen, and in evaluation mode.

    Args:
        settings: its sizes and its training.
        voices: whose other voices it hears, in passages of the same length.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    heard = replace(voices.base, shape=replace(voices.base.shape, passages=settings.passages))
    about = {
        "text": hashlib.sha256(heard.stored.numpy().tobytes()).hexdigest(),
        "characters": heard.shape.characters,
    }
    model: nn.Module = pretrained(
        "characters",
        settings,
        make=partial(_untrained, symbols=len(voices.symbols)),
        data=lambda _: replace(voices, train=heard),
        step=_step,
        also=about,
    )
    return model.requires_grad_(False)


def _untrained(settings: CharacterModel, *, symbols: int) -> nn.Module:
    library = transformers()
    sizes = library.MistralConfig(
        vocab_size=symbols,
        hidden_size=settings.features,
        intermediate_size=settings.hidden,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.attention_heads,
        num_key_value_heads=settings.keys,
        tie_word_embeddings=True,
        use_cache=False,
        bos_token_id=None,  # there are no such characters
        eos_token_id=None,
    )
    sizes._attn_implementation = "eager"
    model: nn.Module = library.MistralForCausalLM(sizes)
    return model


def plain(model: nn.Module, batch: VoiceBatch) -> Tensor:
    """Logits ``(voices, passages, characters, symbols)`` of a model that does not know whose passages these are."""
    output: Any = model(batch.inputs.flatten(0, 1))
    logits: Tensor = output.logits
    return logits.reshape(*batch.inputs.shape, -1)


def losses(logits: Tensor, batch: VoiceBatch) -> Tensor:
    """The mean cross-entropy of each voice, in nats for each character: ``(voices,)``."""
    return F.cross_entropy(logits.movedim(-1, 1), batch.targets, reduction="none").mean((1, 2))


def _step(model: nn.Module, batch: VoiceBatch, state: State) -> dict[str, Tensor]:
    """The cross-entropy of each next character."""
    return {"loss": losses(plain(model, batch), batch).mean()}
