"""How good predicted distributions over classes are, and what they say of unfamiliar inputs."""

import math
from typing import Any

import torch
from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional as F

from hyperdnn.errors import ConfigError, MissingExtraError

__all__ = [
    "auroc",
    "classification_summary",
    "detection_curve",
    "disagreement",
    "predictive_entropy",
    "reliability_curve",
    "pairwise_disagreement",
    "single_accuracies",
]

_BINS = 15
_POINTS = 50  # of a curve


def classification_summary(
    logits: Float[Tensor, "networks samples classes"], targets: Integer[Tensor, " samples"]
) -> dict[str, float]:
    """Accuracy, likelihood and calibration of the networks' mean probabilities.

    Args:
        logits: of each network.
        targets: the classes.

    Returns:
        ``accuracy``, ``nll`` (nats for each sample) and ``ece``, the expected calibration error over 15 bins.
    """
    log_probabilities = _mean(logits)
    ece = _functional().calibration_error(
        log_probabilities.exp().float(), targets, task="multiclass", n_bins=_BINS, num_classes=logits.shape[-1]
    )
    return {
        "accuracy": (log_probabilities.argmax(-1) == targets).double().mean().item(),
        "nll": F.nll_loss(log_probabilities, targets).item(),
        "ece": ece.item(),
    }


def single_accuracies(
    logits: Float[Tensor, "networks samples classes"], targets: Integer[Tensor, " samples"]
) -> Float[Tensor, " networks"]:
    """The accuracy of each network by itself."""
    return (logits.argmax(-1) == targets).double().mean(-1)


def pairwise_disagreement(logits: Float[Tensor, "networks samples classes"]) -> float:
    """The share of samples that two of the networks put into different classes, over all pairs; 0 of one network."""
    networks = len(logits)
    if networks == 1:
        return 0.0
    votes = F.one_hot(logits.argmax(-1), logits.shape[-1]).sum(0).double()
    agreeing = (votes * (votes - 1)).sum(-1) / (networks * (networks - 1))
    return 1 - agreeing.mean().item()


def predictive_entropy(logits: Float[Tensor, "networks *samples classes"]) -> Float[Tensor, "*samples"]:
    """Entropy of the networks' mean probabilities, in nats: high where they are unsure, or disagree."""
    log_probabilities = _mean(logits)
    summands: Tensor = torch.special.entr(log_probabilities.exp())
    return summands.sum(-1)


def disagreement(logits: Float[Tensor, "networks *samples classes"]) -> Float[Tensor, "*samples"]:
    """Deviation of the probabilities over networks, mean over classes: 0 for one network, or where all say the same."""
    probabilities: Tensor = logits.double().softmax(-1)
    return (probabilities - probabilities.mean(0)).square().mean(0).sqrt().mean(-1)


def auroc(inside: Float[Tensor, " familiar"], outside: Float[Tensor, " unfamiliar"]) -> float:
    """The chance that an unfamiliar input has a higher score than a familiar one; ties count half.

    Raises:
        ConfigError: if there is none of either.
    """
    return _functional().auroc(*_scored(inside, outside), task="binary").item()  # type: ignore[no-any-return]


def detection_curve(inside: Float[Tensor, " familiar"], outside: Float[Tensor, " unfamiliar"]) -> list[list[float]]:
    """Pairs of false and true alarms, for `report.uncertainty_figures`, as the threshold falls.

    Raises:
        ConfigError: if there is none of either.
    """
    false, true, _ = _functional().roc(*_scored(inside, outside), task="binary")
    at = torch.linspace(0, 1, _POINTS + 1).to(false)
    place = torch.searchsorted(false.contiguous(), at, right=True).sub(1).clamp_min(0)
    return torch.stack([at, true[place]], dim=-1).tolist()


def reliability_curve(
    logits: Float[Tensor, "networks samples classes"], targets: Integer[Tensor, " samples"]
) -> list[list[float]]:
    """Pairs of mean confidence and accuracy, of ten bins with equally many samples; the diagonal is perfect."""
    confidence, predicted = _mean(logits).exp().max(-1)
    order = confidence.argsort()
    correct = (predicted == targets).double()
    chunks = zip(confidence[order].tensor_split(10), correct[order].tensor_split(10), strict=True)
    return [[sure.mean().item(), right.mean().item()] for sure, right in chunks if len(sure)]


def _mean(logits: Tensor) -> Tensor:
    """Log of the mean probabilities."""
    return logits.double().log_softmax(-1).logsumexp(0) - math.log(len(logits))


def _scored(inside: Tensor, outside: Tensor) -> tuple[Tensor, Tensor]:
    """Scores and labels as torchmetrics wants them.

    Scores beyond [0, 1] it would pass through a sigmoid, in which small differences are lost: ranks are safe.
    """
    if not len(inside) or not len(outside):
        raise ConfigError(f"expected scores of both kinds, got {len(inside)} inside and {len(outside)} outside.")
    scores = torch.cat([inside, outside]).double()
    ranks = torch.unique(scores, return_inverse=True)[1].double()
    labels = torch.cat([torch.zeros_like(inside), torch.ones_like(outside)]).long()
    return ranks / ranks.max().clamp_min(1), labels


def _functional() -> Any:
    try:
        from torchmetrics import functional
    except ImportError as error:
        raise MissingExtraError("torchmetrics", extra="lab") from error
    return functional
