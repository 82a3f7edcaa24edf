"""A critic that learns to tell samples from what they should look like."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

__all__ = ["adversarial", "normal_moments"]


def adversarial(
    critic: nn.Module, samples: Float[Tensor, "*rows features"], real: Float[Tensor, "*others features"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The losses of critic and samples. One optimiser may minimise both: neither's gradient reaches the other.

    The critic's is the cross-entropy of telling the two apart; the samples' is that of being taken for real, which has
    a gradient even where the critic is sure (the non-saturating form). A weight on the samples' changes nothing for the
    critic.

    Args:
        critic: features -> one logit for each row, high for real ones.
        samples: what is to become like the real ones.
        real: as many as one likes.

    Returns:
        The critic's loss and the samples'; an undecided critic has ``2 log 2`` and gives ``log 2``.

    Source:
        Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014.
    """
    loss_critic = F.softplus(-critic(real.detach())).mean() + F.softplus(critic(samples.detach())).mean()
    fixed = {name: parameter.detach() for name, parameter in critic.named_parameters()}
    return loss_critic, F.softplus(-functional_call(critic, fixed, (samples,))).mean()


def normal_moments(samples: Float[Tensor, "samples features"]) -> Float[Tensor, ""]:
    """How far mean and covariance of samples are from those of the standard normal distribution.

    The mean square of the difference, of either, added. What is left of ``n`` perfect samples is about ``2 / n``.

    Args:
        samples: two or more.

    Source:
        Tolstikhin et al., "Wasserstein Auto-Encoders", ICLR 2018 (pretraining of the encoder, in the authors' code).
    """
    identity = torch.eye(samples.shape[1], device=samples.device, dtype=samples.dtype)
    return samples.mean(0).square().mean() + (samples.mT.cov() - identity).square().mean()
