"""Bricks without opinions.

Recurrent layers, embeddings and pooled batch normalisation that run with weights from outside, for one context and for
many; the activations that bodies name, and what bodies are made of; what slot heads share.
"""

from hyperdnn.nn._activation import activation
from hyperdnn.nn._cells import STEPS, RecurrentCell
from hyperdnn.nn._lookup import Lookup
from hyperdnn.nn._pooled import PooledBatchNorm
from hyperdnn.nn._recurrent import Recurrent
from hyperdnn.nn._residual import Residual
from hyperdnn.nn._self_attention import SelfAttention
from hyperdnn.nn._sine import Sine, siren_
from hyperdnn.nn._slot_signs import SlotSigns
from hyperdnn.nn._tensor_affine import TensorAffine

__all__ = [
    "STEPS",
    "Lookup",
    "PooledBatchNorm",
    "Recurrent",
    "RecurrentCell",
    "Residual",
    "SelfAttention",
    "Sine",
    "SlotSigns",
    "TensorAffine",
    "activation",
    "siren_",
]
