"""Few-shot learners that generate nothing: nearest class means, and gradient descent from a learned start."""

from collections.abc import Mapping
from functools import partial
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.lab.data import Episode
from hyperdnn.lab.train import State, adapt

__all__ = ["MAML", "OnFeatures", "ProtoNet", "episode_step"]


@final
class OnFeatures(nn.Module):
    """A few-shot learner that sees images through a backbone, which is trained with it and not adapted.

    Args:
        backbone: images ``(n, *shape)`` -> features ``(n, ...)``; ``nn.Flatten()`` for the pixels themselves.
        learner: problems of features -> logits of the queries ``(problems, ways, queries, ways)``.
    """

    def __init__(self, backbone: nn.Module, learner: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.learner = learner

    def forward(self, episode: Episode) -> Tensor:
        logits: Tensor = self.learner(episode.through(self.backbone))
        return logits


@final
class ProtoNet(nn.Module):
    """Classifies by the nearest mean of the classes' support; has no parameters.

    Shape:
        problems of vectors -> logits of the queries ``(problems, ways, queries, ways)``: minus squared distances.

    Source:
        Snell, Swersky & Zemel, "Prototypical networks for few-shot learning", NeurIPS 2017.
    """

    def forward(self, episode: Episode) -> Tensor:
        means = episode.support.mean(2)
        return -(episode.query.unsqueeze(3) - means[:, None, None]).square().sum(-1)


@final
class MAML(nn.Module):
    """Learns a start from which a few steps of gradient descent on the support solve a problem.

    All problems of a batch are solved in one mapped pass. Each adapted tensor has a learning rate, which is trained.
    `OnFeatures` with a linear layer for the model adapts only the head.

    Args:
        model: the adapted tensors and the inputs of one problem ``(n, *shape)`` -> logits ``(n, ways)``, such as a
            `Target`, which takes its weights. Batch normalisation in it must keep no running statistics, which are not
            one problem's (``Target(..., buffers="batch")``): support and queries are each normalised by themselves.
        start: where the adapted tensors begin, by name.
        steps: of gradient descent, in training.
        test_steps: in evaluation.
        rate: of the descent, at the beginning.
        first_order: take inner gradients for constants (see `train.adapt`).

    Shape:
        problems -> logits of the queries ``(problems, ways, queries, ways)``.

    Source:
        Finn, Abbeel & Levine, "Model-agnostic meta-learning for fast adaptation of deep networks", ICML 2017; Antoniou,
        Edwards & Storkey, "How to train your MAML", ICLR 2019 (trained rates); Raghu et al., "Rapid learning or feature
        reuse?", ICLR 2020 (only the head).
    """

    def __init__(
        self,
        model: nn.Module,
        start: Mapping[str, Tensor],
        *,
        steps: int,
        test_steps: int,
        rate: float,
        first_order: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(start)
        self.start = nn.ParameterList(tensor.detach().clone() for tensor in start.values())
        self.rates = nn.Parameter(torch.full((len(start),), rate))
        self.steps = steps
        self.test_steps = test_steps
        self.first_order = first_order

    def forward(self, episode: Episode) -> Tensor:
        return self._classify(self._descend(episode)[-1], episode.query)

    def trajectory(self, episode: Episode) -> Tensor:
        """Logits of the queries after 0, 1, ... steps: ``(steps + 1, problems, ways, queries, ways)``."""
        return torch.stack([self._classify(tensors, episode.query) for tensors in self._descend(episode)])

    def _descend(self, episode: Episode) -> list[dict[str, Tensor]]:
        return adapt(
            partial(_task_loss, self.model),
            dict(zip(self.names, self.start, strict=True)),
            episode.support.flatten(1, 2),
            episode.support_targets.flatten(1, 2),
            rates=self.rates,
            steps=self.steps if self.training else self.test_steps,
            first_order=self.first_order,
        )

    def _classify(self, tensors: dict[str, Tensor], query: Tensor) -> Tensor:
        classify = torch.vmap(self.model, randomness="different")
        logits: Tensor = classify(tensors, query.flatten(1, 2))
        return logits.reshape(query.shape[:3] + logits.shape[2:])


def episode_step(model: nn.Module, batch: Episode, state: State) -> dict[str, Tensor]:
    """The cross-entropy of the queries."""
    return {"loss": F.cross_entropy(model(batch).flatten(0, 2), batch.query_targets.flatten())}


def _task_loss(model: nn.Module, tensors: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(model(tensors, inputs), targets)
