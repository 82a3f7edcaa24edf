"""Losses on generated weights.

`output_change` keeps what a hypernet generates for earlier contexts, which `remember` has put into a `Memory`.
"""

from hyperdnn.lab.losses._output import Memory, output_change, remember

__all__ = ["remember", "output_change", "Memory"]
