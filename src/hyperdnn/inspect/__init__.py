"""Look, never change.

`summary` says who generates what and how large it is; `classify` what kind of hypernet it is; `check_init` measures how
generated weights and the target's activations start.
"""

from hyperdnn.inspect._check_init import InitReport, LayerStart, check_init
from hyperdnn.inspect._classify import Classification, Conditioning, Criterion, classify
from hyperdnn.inspect._summary import summary

__all__ = [
    "Classification",
    "Conditioning",
    "Criterion",
    "InitReport",
    "LayerStart",
    "check_init",
    "classify",
    "summary",
]
