"""Spaces of architectures, for systems that choose among networks.

`Banks` is the space of networks whose operations read and write banks of channels: it draws a `Plan`, a list of `Op`s,
and encodes it as an image. A `BankNetwork` runs one plan, or any that is a part of its own.
"""

from hyperdnn.lab.spaces._bank_network import BankNetwork
from hyperdnn.lab.spaces._banks import Banks, Op, Plan

__all__ = ["Banks", "Op", "Plan", "BankNetwork"]
