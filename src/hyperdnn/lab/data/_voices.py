"""Texts of several voices, each with descriptions by which a voice that is not trained on can be told."""

from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from hyperdnn.errors import ConfigError

__all__ = ["VoiceBatch", "VoiceShape", "VoiceTexts", "Voices"]


@final
@dataclass(frozen=True, kw_only=True)
class VoiceShape:
    """How much of a voice is shown at a time, and by how much it is described.

    Args:
        characters: that are predicted in one passage.
        passages: of each voice in a batch.
        lines: of a voice in one description of it.
        drawn: descriptions of each voice that is trained on, each of other lines.
        features: width of a description.

    Raises:
        ConfigError: a number that makes no sense.
    """

    characters: int = 64
    passages: int = 2
    lines: int = 20
    drawn: int = 8
    features: int = 64

    def __post_init__(self) -> None:
        for name in ("characters", "passages", "lines", "drawn", "features"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected 1 or more, got {getattr(self, name)}.")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class VoiceBatch:
    """Passages of several voices, and what describes each of them.

    Args:
        context: descriptions, ``(voices, features)``.
        voices: their numbers, ``(voices,)``.
        inputs: numbers of symbols, ``(voices, passages, characters)``.
        targets: the next character after each of them, in the same shape.
    """

    context: Float[Tensor, "voices features"]
    voices: Int[Tensor, " voices"]
    inputs: Int[Tensor, "voices passages characters"]
    targets: Int[Tensor, "voices passages characters"]

    def __len__(self) -> int:
        return len(self.voices)

    def as_others(self, places: int) -> "VoiceBatch":
        """The same passages, each as if of the voice so many places before: its number, and what describes it."""
        return replace(self, context=self.context.roll(places, 0), voices=self.voices.roll(places))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class VoiceTexts:
    """Some voices' texts and descriptions. Meets `train.Samples`: its batches are passages of different voices.

    Args:
        voices: their numbers, ``(voices,)``.
        descriptions: of each several, ``(voices, drawn, features)``.
        stored: the symbols' numbers, one text after the other, ``(characters,)``.
        lengths: of the texts, ``(voices,)``.
        shape: of a batch.

    Raises:
        ConfigError: no voice, or a text that is shorter than a passage.
    """

    voices: Int[Tensor, " voices"]
    descriptions: Float[Tensor, "voices drawn features"]
    stored: Int[Tensor, " characters"]
    lengths: Int[Tensor, " voices"]
    shape: VoiceShape

    def __post_init__(self) -> None:
        if not len(self):
            raise ConfigError("voices: expected at least one.")
        shortest = int(self.lengths.min())
        if shortest <= self.shape.characters:
            raise ConfigError(
                f"characters: a text of {shortest} characters has no passage of {self.shape.characters} with one more "
                "behind it. Make passages shorter."
            )

    def __len__(self) -> int:
        return len(self.voices)

    def sample(self, size: int, *, generator: torch.Generator) -> VoiceBatch:
        """So many different voices, with one of the descriptions of each and passages from anywhere in its text.

        Raises:
            ConfigError: there are not so many.
        """
        if size > len(self):
            raise ConfigError(f"batch_size: {size} voices in a batch, but there are only {len(self)}.")
        rows, which, place = (
            torch.randperm(len(self), generator=generator)[:size],
            torch.randint(self.descriptions.shape[1], (size,), generator=generator),
            torch.rand(size, self.shape.passages, generator=generator),
        )
        device = self.stored.device
        rows, which, place = rows.to(device), which.to(device), place.to(device)
        room = self.lengths[rows] - self.shape.characters
        return self._passages(rows, which, (place * room[:, None]).long())

    def side_by_side(self) -> VoiceBatch:
        """All voices with their first descriptions, and of each as many passages as the shortest text has."""
        rows = torch.arange(len(self), device=self.stored.device)
        steps = torch.arange(int(self.lengths.min() - 1) // self.shape.characters, device=rows.device)
        return self._passages(rows, torch.zeros_like(rows), (steps * self.shape.characters).expand(len(rows), -1))

    def to(self, device: torch.device | str) -> "VoiceTexts":
        """The same texts on another device."""
        moved = {name: getattr(self, name).to(device) for name in ("voices", "descriptions", "stored", "lengths")}
        return replace(self, **moved)

    def _passages(self, rows: Tensor, which: Tensor, begin: Tensor) -> VoiceBatch:
        starts = (self.lengths.cumsum(0) - self.lengths)[rows]
        steps = torch.arange(self.shape.characters + 1, device=begin.device)
        passages = self.stored[(starts[:, None] + begin)[..., None] + steps].long()
        return VoiceBatch(
            context=self.descriptions[rows, which],
            voices=self.voices[rows],
            inputs=passages[..., :-1],
            targets=passages[..., 1:],
        )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Voices:
    """Voices in three groups, and a text of others.

    Args:
        name: for tables and figures.
        names: of all voices, those that are known first; a voice's number is its place.
        symbols: all characters that occur; a symbol's number is its place.
        base: another one, which nothing describes: what a language model is pretrained on.
        train: what is learnt from.
        validation: what settings are chosen on.
        test: what is reported.
    """

    name: str
    names: tuple[str, ...]
    symbols: str
    base: VoiceTexts
    train: VoiceTexts
    validation: VoiceTexts
    test: VoiceTexts

    def as_nearest_known(self, batch: VoiceBatch) -> VoiceBatch:
        """The same passages, each as if of the known voice whose descriptions are nearest to its own on average."""
        known = int(torch.cat([self.validation.voices, self.test.voices]).min())  # they have the first numbers
        middles = F.normalize(self.train.descriptions[:known].mean(1), dim=-1)
        nearest = (batch.context @ middles.T).argmax(-1)
        return replace(batch, context=self.train.descriptions[nearest, 0], voices=self.train.voices[nearest])

    def to(self, device: torch.device | str) -> "Voices":
        """The same voices on another device."""
        parts = {name: getattr(self, name).to(device) for name in ("base", "train", "validation", "test")}
        return replace(self, **parts)
