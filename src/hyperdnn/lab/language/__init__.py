"""Language models that recipes adapt.

`language_model` is an encoder of transformers, either one that others have pretrained or a small one that is trained
here by hiding pieces of words, once; `LanguageModel` are its settings, and `vocabulary` is what it reads. A `Reader`
makes features of texts with it, and `Classifiers` answer the questions of several tasks.

`character_model` is a decoder that reads characters and is pretrained here, once; `CharacterModel` are its settings,
`plain` its logits and `losses` what they cost. `AdapterSlots` and `AdapterHead` generate adapters for all its layers.
"""

from hyperdnn.lab.language._adapters import AdapterHead, AdapterSlots
from hyperdnn.lab.language._characters import CharacterModel, character_model, losses, plain
from hyperdnn.lab.language._masked import LanguageModel, language_model, vocabulary
from hyperdnn.lab.language._reader import Classifiers, Reader

__all__ = [
    "LanguageModel",
    "language_model",
    "vocabulary",
    "Reader",
    "Classifiers",
    "CharacterModel",
    "character_model",
    "plain",
    "losses",
    "AdapterSlots",
    "AdapterHead",
]
