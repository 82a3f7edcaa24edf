"""An encoder of transformers: from the hub, or a small one that learns to guess hidden pieces of words."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config import check_least
from hyperdnn.lab.data import MASK, PADDING, Vocabulary, packed
from hyperdnn.lab.language._transformers import pretrained_part, transformers
from hyperdnn.lab.train import Settings, State, pretrained

__all__ = ["LanguageModel", "language_model", "vocabulary"]

_SHOWN, _CHANGED = 0.1, 0.1  # hidden pieces that are left as they are, and that become others
_FIRST: Final = 2  # number that is a piece of a word


@final
@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """Settings of an encoder.

    Args:
        pretrained: its name on the hub of transformers, or its folder; null trains one by the other settings.
        revision: of a pretrained one on the hub, such as a commit; null for the newest.
        seed: of everything in its training.
        vocabulary: pieces of words.
        features: width of a piece's features.
        layers: how many.
        attention_heads: in each.
        length: pieces of a text that are read, also by a pretrained one.
        masked: share of the pieces that are to be guessed.
        train: the settings of its training.

    Raises:
        ConfigError: a number that makes no sense.
    """

    pretrained: str | None = None
    revision: str | None = None
    seed: int = 0
    vocabulary: int = 3000
    features: int = 96
    layers: int = 3
    attention_heads: int = 4
    length: int = 48
    masked: float = 0.3
    train: Settings = Settings(iterations=2500, batch_size=64, optimizer="adamw", lr=2e-3, schedule="cosine")

    def __post_init__(self) -> None:
        check_least(self, 1, "features", "layers", "attention_heads", "length")
        if self.features % self.attention_heads:
            raise ConfigError(f"attention_heads: {self.attention_heads} do not divide {self.features} features.")
        if not 0 < self.masked < 1:
            raise ConfigError(f"masked: expected a share between 0 and 1, got {self.masked}.")


def vocabulary(settings: LanguageModel, texts: Sequence[str]) -> Vocabulary:
    """What the model reads: learnt from these texts, or the pretrained model's own.

    Raises:
        MissingExtraError: transformers is not installed.
        ConfigError: a pretrained one that is not to be had.
    """
    if settings.pretrained is None:
        return Vocabulary.learn(texts, settings.vocabulary)
    return Vocabulary(pretrained_part("AutoTokenizer", settings.pretrained, settings.revision).backend_tokenizer)


def language_model(settings: LanguageModel, pieces: Vocabulary, texts: Sequence[str]) -> nn.Module:
    """An encoder, in evaluation mode and without dropout; its outputs are ``last_hidden_state``.

    One that is trained here is BERT's with norms in front of its layers: what a piece is passes through, where norms
    behind them first learn to forget it. It is trained once and kept (see `train.pretrained`): the same settings and
    texts give the same numbers.

    Args:
        settings: which one.
        pieces: what it reads.
        texts: what it learns from.

    Raises:
        MissingExtraError: transformers is not installed.
        ConfigError: a pretrained one that is not to be had.

    Source:
        Devlin et al., "BERT: Pre-training of deep bidirectional transformers for language understanding", NAACL 2019;
        Xiong et al., "On layer normalization in the transformer architecture", ICML 2020 (norms);
        Wettig et al., "Should you mask 15 % in masked language modeling?", EACL 2023 (more than that).
    """
    if settings.pretrained is not None:
        chosen: Any = pretrained_part("AutoModelForTextEncoding", settings.pretrained, settings.revision)
        # Of texts this short, fused attention in bfloat16 takes a third of a training step on a CPU, mostly backwards.
        chosen.set_attn_implementation("eager")
        found: nn.Module = chosen.eval()
        return found

    def make(settings: LanguageModel) -> nn.Module:
        library = transformers()
        config = library.RobertaPreLayerNormConfig(
            pad_token_id=PADDING,
            bos_token_id=None,
            eos_token_id=None,
            type_vocab_size=1,
            vocab_size=len(pieces),
            hidden_size=settings.features,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.attention_heads,
            intermediate_size=2 * settings.features,
            max_position_embeddings=settings.length + PADDING + 1,  # positions are counted from there
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        made: nn.Module = library.RobertaPreLayerNormForMaskedLM(config)
        return made

    model: Any = pretrained(
        "masked-language-model",
        settings,
        make=make,
        data=lambda settings: _Rows(packed(pieces.rows(texts), settings.length)),
        step=_step,
        also={
            "vocabulary": pieces.sha256,
            "texts": hashlib.sha256("\n".join(texts).encode()).hexdigest(),
            "transformers": transformers().__version__,
        },
    )
    encoder: nn.Module = model.base_model
    return encoder


@final
class _Rows:
    """Rows of a text to learn from."""

    def __init__(self, stored: Int[Tensor, "rows length"]) -> None:
        if not len(stored):
            raise ConfigError("language_model: the texts are shorter than one row. Give more, or lower length.")
        self.stored = stored

    @property
    def train(self) -> "_Rows":
        return self

    def sample(self, size: int, *, generator: torch.Generator) -> Tensor:
        index = torch.randint(len(self.stored), (size,), generator=generator, device=generator.device)
        return self.stored[index.to(self.stored.device)].long()

    def to(self, device: torch.device | str) -> "_Rows":
        return _Rows(self.stored.to(device))


def _step(model: Any, rows: Tensor, state: State) -> dict[str, Tensor]:
    """The cross-entropy of the pieces that are to be guessed; most of them are hidden."""
    share, numbers = state.config.masked, model.config.vocab_size
    draws = torch.rand(rows.shape, generator=state.generator).to(rows.device)
    others = torch.randint(_FIRST, numbers, rows.shape, generator=state.generator).to(rows.device)
    asked = draws < share
    seen = torch.where(draws < share * (1 - _SHOWN), others, rows)
    seen = torch.where(draws < share * (1 - _SHOWN - _CHANGED), MASK, seen)
    states = model.base_model(input_ids=seen).last_hidden_state
    return {"loss": F.cross_entropy(model.lm_head(states[asked]), rows[asked])}
