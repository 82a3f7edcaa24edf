"""Everything that changes while a loop runs."""

from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train._checkpoint import Checkpoint
from hyperdnn.lab.train._checkpoints import Checkpoints
from hyperdnn.lab.train._clients import Clients
from hyperdnn.lab.train._lookahead import lookahead

__all__ = ["State"]


@final
@dataclass(kw_only=True)
class State:
    """What a recipe's step may read, and what a resumed run restores.

    Args:
        model: what is trained.
        config: the recipe's configuration.
        generator: the loop's only source of randomness, on the CPU; modules draw from torch's own.
        optimizer: the present one, None before training.
        step: iterations so far, over all tasks.
        task: index of the present task in a sequence.
        memory: what the recipe keeps between tasks or steps: tensors and plain values, in lists, tuples, dicts and
            `losses.Memory`, if there are to be checkpoints.
        record: what the loop keeps, in the same forms, by name.
        checkpoints: where all this is kept from time to time; None keeps nothing.
        resumed: the checkpoint to go on from, None once that is done.
        clients: where the clients of `rounds` are; None for this process.
        training_s: seconds of training so far, evaluation between and after it left out.
    """

    model: nn.Module
    config: Any
    generator: torch.Generator
    optimizer: torch.optim.Optimizer | None = None
    step: int = 0
    task: int = 0
    memory: Any = None
    record: dict[str, Any] = field(default_factory=dict)
    checkpoints: Checkpoints | None = None
    resumed: Checkpoint | None = None
    clients: Clients | None = None
    training_s: float = 0.0

    def lookahead(self, loss: Tensor, *, of: nn.Module | None = None) -> dict[str, Tensor]:
        """The change that the optimiser's next step would make if this were the whole loss.

        Nothing is changed, and the loss can still be used. The changes are constants. What
        ``clip_norm`` does is left out, and so are other batches of the same step (``accumulate``). In ``"16-mixed"``,
        the loss is not scaled for it, so very small gradients are lost.

        Args:
            loss: a scalar that depends on the model's parameters.
            of: a part of the model; the whole model by default.

        Returns:
            The change of each parameter that the loss depends on, by its name in that part.

        Raises:
            ConfigError: there is no optimiser yet, or it cannot be asked for a single step.
        """
        if self.optimizer is None:
            raise ConfigError("lookahead: there is no optimiser before training.")
        return lookahead(loss, self.optimizer, dict((of or self.model).named_parameters()))
