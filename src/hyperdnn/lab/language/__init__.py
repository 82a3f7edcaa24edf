"""Language models that recipes adapt.

`character_model` is a decoder of transformers that reads characters and is pretrained here, once; `CharacterModel` are
its settings, `plain` its logits and `losses` what they cost. `AdapterSlots` and `AdapterHead` generate adapters for all
layers of such a model.
"""

from hyperdnn.lab.language._adapters import AdapterHead, AdapterSlots
from hyperdnn.lab.language._characters import CharacterModel, character_model, losses, plain

__all__ = ["CharacterModel", "character_model", "plain", "losses", "AdapterSlots", "AdapterHead"]
