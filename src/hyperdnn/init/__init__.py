"""Variance of *generated* weights, not of the hypernet's own.

A rule (`matched`, `hyperfan_in`, `hyperfan_out`, `naive`) says with which mean and deviation each tensor of a layout
should start; a head realises it, given features of known size (`unit_rms`, `unit_length`). `from_target_` starts at the
target's own initial weights instead (Bias-HyperInit).
"""

from hyperdnn.init._fill import fill_rows_, fill_unit_, unit_length, unit_rms
from hyperdnn.init._from_target import from_target_
from hyperdnn.init._hyperfan import hyperfan_in, hyperfan_out
from hyperdnn.init._matched import Init, Moments, matched, naive

__all__ = [
    "Init",
    "Moments",
    "fill_rows_",
    "fill_unit_",
    "from_target_",
    "hyperfan_in",
    "hyperfan_out",
    "matched",
    "naive",
    "unit_length",
    "unit_rms",
]
