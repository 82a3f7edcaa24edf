"""What a hypernet is compared with.

`Plain` is the network itself, without a hypernet, under the same call as a HyperDNN; `plain_step` trains it. `ProtoNet`
and `MAML` learn from few samples, `OnFeatures` of images: they take a `data.Episode`, and `episode_step` trains them.
"""

from hyperdnn.lab.baselines._fewshot import MAML, OnFeatures, ProtoNet, episode_step
from hyperdnn.lab.baselines._plain import Plain, plain_step

__all__ = ["Plain", "plain_step", "ProtoNet", "MAML", "OnFeatures", "episode_step"]
