"""Texts to numbers, by pieces of words that are learnt from texts."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, final

import torch
from jaxtyping import Int
from torch import Tensor

from hyperdnn.errors import ConfigError, MissingExtraError

__all__ = ["MASK", "PADDING", "Vocabulary"]

PADDING: Final = 0
"""The number that stands behind the end of a text."""

MASK: Final = 1
"""The number that stands for a hidden piece, in a vocabulary that was learnt here."""


@final
class Vocabulary:
    """Pieces of words, and their numbers.

    Args:
        pieces: a ``tokenizers.Tokenizer``, such as the ``backend_tokenizer`` of one from transformers.

    Raises:
        ConfigError: its padding has another number than `PADDING`.
    """

    def __init__(self, pieces: Any) -> None:
        padding = pieces.padding
        if padding is not None and padding["pad_id"] != PADDING:
            raise ConfigError(f"Vocabulary: expected padding with the number {PADDING}, got {padding['pad_id']}.")
        pieces.no_padding()
        pieces.no_truncation()
        self.pieces = pieces

    @classmethod
    def learn(cls, texts: Iterable[str], size: int) -> "Vocabulary":
        """Join the pair of pieces that occurs most often, again and again, beginning with bytes; all in lower case.

        The same texts give the same pieces with the same numbers.

        Args:
            texts: to learn from.
            size: of the vocabulary: 300 or more, since there are 256 bytes.

        Raises:
            ConfigError: a vocabulary too small.
            MissingExtraError: transformers is not installed.

        Source:
            Sennrich, Haddow & Birch, "Neural machine translation of rare words with subword units", ACL 2016.
        """
        try:
            from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
        except ImportError as error:
            raise MissingExtraError("transformers", extra="peft") from error
        if size < 300:
            raise ConfigError(f"Vocabulary: expected a size of 300 or more, got {size}.")
        pieces = Tokenizer(models.BPE())
        pieces.normalizer = normalizers.Sequence(
            [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
        )
        # Bytes, and no marks inside of words: marked letters would be numbered in an order that differs between runs.
        pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=["[PAD]", "[MASK]"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        pieces.train_from_iterator(texts, trainer)
        return cls(pieces)

    def __len__(self) -> int:
        return int(self.pieces.get_vocab_size())

    @property
    def sha256(self) -> str:
        """Of all that it is made of."""
        return hashlib.sha256(self.pieces.to_str().encode()).hexdigest()

    def rows(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text's pieces."""
        return [encoded.ids for encoded in self.pieces.encode_batch_fast(list(texts))]

    def encode(self, texts: Sequence[str], length: int) -> Int[Tensor, "texts length"]:
        """As many pieces of each text as fit, `PADDING` behind its end."""
        numbers = torch.full((len(texts), length), PADDING, dtype=torch.int32)
        for row, found in zip(numbers, self.rows(texts), strict=True):
            row[: len(found)] = torch.tensor(found[:length], dtype=torch.int32)
        return numbers
