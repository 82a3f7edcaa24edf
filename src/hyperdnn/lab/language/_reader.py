"""From texts to classes, with a language model between."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, final

from torch import Tensor, nn

from hyperdnn.lab.data import PADDING, TokenTask

__all__ = ["Classifiers", "Reader"]


@final
class Reader(nn.Module):
    """A text's features: the mean of a language model's outputs over its pieces.

    Args:
        base: of transformers; it is copied.
        dropout: in the copy.

    Shape:
        numbers of pieces ``(texts, length)``, `data.PADDING` behind the end -> ``(texts, features)``.
    """

    def __init__(self, base: nn.Module, dropout: float = 0.0) -> None:
        super().__init__()
        self.base = deepcopy(base)
        for module in self.base.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout

    def forward(self, tokens: Tensor) -> Tensor:
        mask = (tokens != PADDING).long()
        outputs: Tensor = self.base(input_ids=tokens, attention_mask=mask).last_hidden_state
        return (outputs * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


@final
class Classifiers(nn.Module):
    """An output layer for each task behind a reader: ``(texts, length)`` -> ``(texts, classes)``.

    Args:
        reader: called ``reader(tokens, context=context)``, such as a `HyperDNN`.
        base: the language model in it, which says how wide its features are.
        tasks: context is the index of one.
    """

    def __init__(self, reader: nn.Module, base: Any, tasks: Sequence[TokenTask]) -> None:
        super().__init__()
        self.reader = reader
        self.outputs = nn.ModuleList(nn.Linear(base.config.hidden_size, task.classes) for task in tasks)

    def forward(self, tokens: Tensor, *, context: Tensor) -> Tensor:
        logits: Tensor = self.outputs[int(context)](self.reader(tokens, context=context))
        return logits
