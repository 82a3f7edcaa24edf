"""What a hypernet is compared with.

`Plain` is the network itself, without a hypernet, under the same call as a HyperDNN; `plain_step` trains it.
"""

from hyperdnn.lab.baselines._plain import Plain, plain_step

__all__ = ["Plain", "plain_step"]
