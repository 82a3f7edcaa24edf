"""Adam for matrices whose gradient has low rank."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn._torch import fused_adam_
from hyperdnn.errors import ConfigError
from hyperdnn.optim._factored import FactoredGradient, keep_factors, keeps_factors

__all__ = ["RankAdam"]

_BLOCK = 1 << 18
"""Numbers of a matrix that are updated at a time: with their moments and their gradient they stay in the cache."""


@final
class RankAdam(torch.optim.Optimizer):
    """Adam that takes the gradient of heads' output maps as factors and multiplies them block by block as it updates.

    With one or a few contexts in a step, writing and reading the gradient of the output map is a large part of the
    step, and the matrix is as large as everything else together. It is never formed here: each block is multiplied,
    used and forgotten in the cache. The result is Adam's, with the same state; other parameters go through torch's
    fused Adam. It pays up to about as many rows of features (contexts x slots) as the width of the body.

    From its construction on, these gradients are for it alone: ``parameter.grad`` is a `FactoredGradient`, which
    answers every operation with an error. Clipping, accumulation over several backward passes, and distributed training
    want ``torch.optim.Adam(fused=True)``. Where somebody else has to see the gradient (``torch.autograd.grad``, hooks
    on the matrix) it is formed, and used whole. Copies of the model know nothing of it, and `release` undoes it.

    Args:
        model: whose parameters are trained; heads in it say which of theirs have factors (``factored``).
        lr: learning rate.
        betas: decay of the two moments.
        eps: keeps the division away from zero.
        weight_decay: coupled with the gradient, as in Adam.

    Raises:
        ConfigError: for a model without such a head, numbers that make no sense, or under distributed training.

    Source:
        Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        _check(lr, betas, eps, weight_decay)
        factored = list(_factored(model))
        if not factored:
            raise ConfigError(
                f"RankAdam: {type(model).__name__} has no head with a trained output map whose gradient comes as "
                "factors (FullHead, ChunkedHead). Use torch.optim.Adam(fused=True)."
            )
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            raise ConfigError("RankAdam works in one process: factors are not averaged. Use torch.optim.Adam.")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__([p for p in model.parameters() if p.requires_grad], defaults)
        for parameter in factored:
            keep_factors(parameter)

    def release(self) -> None:
        """Let the gradients of the output maps be formed again, for another optimiser."""
        for group in self.param_groups:
            for parameter in filter(keeps_factors, group["params"]):
                keep_factors(parameter, keep=False)
                parameter.grad = None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of a `RankAdam`, or of a ``torch.optim.Adam`` without variants.

        Raises:
            ConfigError: if it was saved with an option that this optimiser does not have.
        """
        for group in state_dict["param_groups"]:
            for option in ("amsgrad", "maximize", "decoupled_weight_decay"):
                if group.get(option):
                    raise ConfigError(
                        f"RankAdam has no {option}, with which this state was saved. Use torch.optim.Adam or AdamW."
                    )
        super().load_state_dict(state_dict)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss anew, with gradients.

        Returns:
            What the closure returns.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            with_gradient = [parameter for parameter in group["params"] if parameter.grad is not None]
            for parameter in with_gradient:
                state = self.state[parameter]
                if not state:
                    state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
                    state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                    state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                state["step"] += 1
            plain = [p for p in with_gradient if not isinstance(p.grad, FactoredGradient)]
            self._update(group, plain, [p.grad for p in plain if p.grad is not None])
            for parameter in with_gradient:
                if isinstance(parameter.grad, FactoredGradient):
                    self._update_factored(group, parameter, parameter.grad)
        return loss

    def _update(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        if parameters:
            states = [self.state[parameter] for parameter in parameters]
            firsts, seconds, steps = ([s[name] for s in states] for name in ("exp_avg", "exp_avg_sq", "step"))
            fused_adam_(parameters, gradients, firsts, seconds, steps, **_options(group))

    def _update_factored(self, group: dict[str, Any], parameter: Tensor, gradient: FactoredGradient) -> None:
        state, options = self.state[parameter], _options(group)
        rows = max(1, _BLOCK // parameter.shape[1])
        scratch = parameter.new_empty(rows, parameter.shape[1])
        blocks = zip(
            *(torch.split(matrix, rows) for matrix in (parameter, state["exp_avg"], state["exp_avg_sq"])),
            torch.split(gradient.left, rows, dim=1),
            strict=True,
        )
        for weight, first, second, left in blocks:
            product = torch.mm(left.t(), gradient.right, out=scratch[: len(weight)])
            fused_adam_([weight], [product], [first], [second], [state["step"]], **options)


def _options(group: dict[str, Any]) -> dict[str, Any]:
    beta1, beta2 = group["betas"]
    return {
        "lr": group["lr"],
        "beta1": beta1,
        "beta2": beta2,
        "weight_decay": float(group["weight_decay"]),  # torch's own default is an integer
        "eps": float(group["eps"]),
    }


def _factored(model: nn.Module) -> Iterator[nn.Parameter]:
    for module in model.modules():
        names: Iterable[str] = getattr(module, "factored", ())
        for name in names:
            parameter = module.get_parameter(name)
            if parameter.requires_grad:
                yield parameter


def _check(lr: float, betas: tuple[float, float], eps: float, weight_decay: float) -> None:
    for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
        if not value >= 0:  # nan is not
            raise ConfigError(f"RankAdam: expected {name} of 0 or more, got {value}.")
    if not all(0 <= beta < 1 for beta in betas):
        raise ConfigError(f"RankAdam: expected betas in [0, 1), got {betas}.")
