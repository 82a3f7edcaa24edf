"""What a hypernet is compared with.

`Plain` is the network itself, without a hypernet, under the same call as a HyperDNN; `plain_step` trains it. `Many` are
plain networks that are trained side by side, one for each context.
"""

from hyperdnn.lab.baselines._many import Many
from hyperdnn.lab.baselines._plain import Plain, plain_step

__all__ = ["Plain", "plain_step", "Many"]
