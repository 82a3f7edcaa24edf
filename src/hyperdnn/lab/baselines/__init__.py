"""What a hypernet is compared with.

`Plain` is the network itself, without a hypernet, under the same call as a HyperDNN; `plain_step` trains it.
`Separate` stands in the place of a hypernet and holds a network for each context, which share nothing.
"""

from hyperdnn.lab.baselines._plain import Plain, plain_step
from hyperdnn.lab.baselines._separate import Separate

__all__ = ["Plain", "plain_step", "Separate"]
