"""What a hypernet is compared with.

`Plain` is the network itself, without a hypernet, under the same calls as a HyperDNN; `plain_step` trains it. `Many`
are plain networks that are trained side by side, also as a deep ensemble, by `fit_members`. `Separate` stands in the
place of a hypernet and holds a network for each context, which share nothing; in `Shared` they share all but a part.
`Several` are whole modules, of which the context says one.
The dropout of `MCDropout` stays on; `WithNoise` adds learned noise to a network for regression, generated or not.
`PartialVAE` models a table with gaps; `mean_of_given` and `ridge_on_given` predict a new item from a few ratings.
`ridge` is linear regression with penalties, `gaussian_process` a curve through few points. `LayerNormLSTM` is the
recurrent network without generated scales, `DistMult` predicts links of a knowledge graph. `ProtoNet` and `MAML` learn
from few samples, `OnFeatures` of images: they take a `data.Episode`, and `episode_step` trains them. `TD3` is an agent
with critics of any kind, by `TD3Settings`: `td3_act` explores and `td3_step` learns; `GivenPolicy` needs not.
`convolutions` is a plain network that costs some `multiplications`, `Narrowed` are networks with fewer channels.
"""

from hyperdnn.lab.baselines._convolutions import convolutions, multiplications
from hyperdnn.lab.baselines._distmult import DistMult
from hyperdnn.lab.baselines._few_ratings import mean_of_given, ridge_on_given
from hyperdnn.lab.baselines._fewshot import MAML, OnFeatures, ProtoNet, episode_step
from hyperdnn.lab.baselines._gaussian_process import gaussian_process
from hyperdnn.lab.baselines._layer_norm_lstm import LayerNormLSTM
from hyperdnn.lab.baselines._many import Many
from hyperdnn.lab.baselines._mc_dropout import MCDropout
from hyperdnn.lab.baselines._members import fit_members
from hyperdnn.lab.baselines._narrowed import Narrowed
from hyperdnn.lab.baselines._noise import WithNoise
from hyperdnn.lab.baselines._partial_vae import PartialVAE
from hyperdnn.lab.baselines._plain import Plain, plain_step
from hyperdnn.lab.baselines._ridge import ridge
from hyperdnn.lab.baselines._separate import Separate
from hyperdnn.lab.baselines._several import Several
from hyperdnn.lab.baselines._shared import Shared
from hyperdnn.lab.baselines._td3 import TD3, GivenPolicy, TD3Settings, td3_act, td3_step

__all__ = [
    "Plain",
    "plain_step",
    "Many",
    "fit_members",
    "Narrowed",
    "Separate",
    "Shared",
    "Several",
    "MCDropout",
    "WithNoise",
    "PartialVAE",
    "mean_of_given",
    "ridge_on_given",
    "ridge",
    "gaussian_process",
    "LayerNormLSTM",
    "DistMult",
    "convolutions",
    "multiplications",
    "ProtoNet",
    "MAML",
    "OnFeatures",
    "episode_step",
    "TD3",
    "TD3Settings",
    "GivenPolicy",
    "td3_act",
    "td3_step",
]
