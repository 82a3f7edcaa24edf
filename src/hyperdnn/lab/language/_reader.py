"""From texts to classes, with a language model between."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Final, final

import torch
from torch import Tensor, nn

from hyperdnn.lab.data import PADDING, TokenTask

__all__ = ["Classifiers", "Reader"]

_AT_ONCE: Final = 250  # texts
_SMALLEST: Final = 1e-3  # deviation of a feature that hardly differs


@final
class Reader(nn.Module):
    """A text's features: the mean of a language model's outputs over its pieces, standardised.

    What the outputs have in common for all texts is most of them, and would be most of what an output layer sees.
    Therefore mean and deviation of each feature over some texts are taken once, and kept.

    Args:
        base: of transformers; it is copied.
        texts: numbers of pieces, as below, whose features shall have mean 0 and deviation 1.
        dropout: in the copy.

    Shape:
        numbers of pieces ``(texts, length)``, `data.PADDING` behind the end -> ``(texts, features)``.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, base: nn.Module, texts: Tensor, dropout: float = 0.0) -> None:
        super().__init__()
        self.base = deepcopy(base).eval()
        with torch.no_grad():
            means = torch.cat([self._mean(rows) for rows in torch.split(texts.long(), _AT_ONCE)])
        self.features = means.shape[-1]
        self.register_buffer("mean", means.mean(0))
        self.register_buffer("deviation", means.std(0, correction=0) + _SMALLEST)
        for module in self.base.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
        self.train()

    def forward(self, tokens: Tensor) -> Tensor:
        return (self._mean(tokens) - self.mean) / self.deviation

    def _mean(self, tokens: Tensor) -> Tensor:
        mask = (tokens != PADDING).long()
        outputs: Tensor = self.base(input_ids=tokens, attention_mask=mask).last_hidden_state
        return (outputs * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


@final
class Classifiers(nn.Module):
    """An output layer for each task behind a reader: ``(texts, length)`` -> ``(texts, classes)``.

    Args:
        reader: called ``reader(tokens, context=context)``, such as a `HyperDNN`.
        features: how wide what it gives is.
        tasks: context is the index of one.
    """

    def __init__(self, reader: nn.Module, features: int, tasks: Sequence[TokenTask]) -> None:
        super().__init__()
        self.reader = reader
        self.outputs = nn.ModuleList(nn.Linear(features, task.classes) for task in tasks)

    def forward(self, tokens: Tensor, *, context: Tensor) -> Tensor:
        logits: Tensor = self.outputs[int(context)](self.reader(tokens, context=context))
        return logits
