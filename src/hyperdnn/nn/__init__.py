"""Bricks without opinions.

Recurrent layers, embeddings, weight norm and pooled batch normalisation that run with weights from outside, for one
context and for many; an LSTM that generates its own weights' scales at every step; the activations that bodies name,
and what bodies are made of; what slot heads share; weights that exist only while they are read; `Tiles`, which cuts
images and joins them again; small modules that change a layer's output (`LoRA`, `Film`, `Adapter`); rows that tensors
gain when a target grows.
"""

from hyperdnn.nn._activation import activation, gain
from hyperdnn.nn._adapter import Adapter
from hyperdnn.nn._attached import Attached
from hyperdnn.nn._cells import STEPS, RecurrentCell
from hyperdnn.nn._channels import channels
from hyperdnn.nn._cross_attention import CrossAttention
from hyperdnn.nn._film import Film
from hyperdnn.nn._fourier import Fourier
from hyperdnn.nn._growing import Growing, growing
from hyperdnn.nn._hyper_lstm import HyperLSTM
from hyperdnn.nn._hyper_lstm_cell import HyperLSTMCell
from hyperdnn.nn._lookup import Lookup
from hyperdnn.nn._lora import LoRA
from hyperdnn.nn._pooled import PooledBatchNorm
from hyperdnn.nn._recurrent import Recurrent
from hyperdnn.nn._residual import Residual
from hyperdnn.nn._rows import Extension, Grown, extend_rows_, kept_rows, longer_runs, with_rows
from hyperdnn.nn._self_attention import SelfAttention
from hyperdnn.nn._sine import Sine, siren_
from hyperdnn.nn._slot_convolution import SlotConvolution, SlotDeconvolution
from hyperdnn.nn._slot_signs import SlotSigns
from hyperdnn.nn._streamed import Make, StreamedWeight
from hyperdnn.nn._tensor_affine import TensorAffine
from hyperdnn.nn._tiles import Tiles
from hyperdnn.nn._weight_norm import WeightNorm

__all__ = [
    "STEPS",
    "Adapter",
    "Attached",
    "CrossAttention",
    "Extension",
    "Film",
    "Fourier",
    "Growing",
    "Grown",
    "HyperLSTM",
    "HyperLSTMCell",
    "LoRA",
    "Lookup",
    "Make",
    "PooledBatchNorm",
    "Recurrent",
    "RecurrentCell",
    "Residual",
    "SelfAttention",
    "Sine",
    "SlotConvolution",
    "SlotDeconvolution",
    "SlotSigns",
    "StreamedWeight",
    "TensorAffine",
    "Tiles",
    "WeightNorm",
    "activation",
    "channels",
    "extend_rows_",
    "gain",
    "growing",
    "kept_rows",
    "longer_runs",
    "siren_",
    "with_rows",
]
