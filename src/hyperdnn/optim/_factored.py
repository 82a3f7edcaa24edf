"""A gradient that is the product of two narrow matrices."""

from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError

__all__ = ["FactoredGradient", "keep_factors", "keeps_factors"]

_MARK = "_gradient_as_factors"


@final
class _Asked:
    """Stands on a parameter while its gradient is wanted as factors. Nobody asked that of a pickled copy."""

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()


def keep_factors(parameter: nn.Parameter, *, keep: bool = True) -> None:
    """Ask whoever computes this matrix's gradient for a `FactoredGradient`; heads that generate by one map know how."""
    if keep:
        setattr(parameter, _MARK, _Asked())
    elif keeps_factors(parameter):
        delattr(parameter, _MARK)


def keeps_factors(parameter: Tensor) -> bool:
    """Whether `keep_factors` was asked of it."""
    return isinstance(getattr(parameter, _MARK, None), _Asked)


@final
class FactoredGradient(Tensor):
    """Stands in ``parameter.grad`` for ``left.T @ right``, which is never formed.

    Only an optimiser that knows it can use it. Everything else (clipping, scaling, accumulating, reducing over
    processes) gets an error: computed on the factors it would be wrong, and left out it would be silently wrong.

    Args:
        left: ``(k, rows)``.
        right: ``(k, columns)``.

    Raises:
        ConfigError: from every operation.
    """

    left: Tensor
    right: Tensor

    @staticmethod
    def __new__(cls, left: Tensor, right: Tensor) -> "FactoredGradient":
        """A tensor of the product's shape without memory of its own."""
        shape = (left.shape[1], right.shape[1])
        made: FactoredGradient = torch.Tensor._make_wrapper_subclass(cls, shape, dtype=left.dtype, device=left.device)
        made.left, made.right = left, right
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's own signature lacks the defaults it calls with
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is torch.ops.aten.detach.default:  # what setting ``.grad`` and printing a name may do
            return FactoredGradient(args[0].left, args[0].right)
        raise ConfigError(
            f"{function}: this gradient exists only as two factors, which RankAdam asked for. It cannot be clipped, "
            "scaled, accumulated or averaged over processes: use torch.optim.Adam(fused=True) for that, after "
            "RankAdam.release()."
        )

    def __repr__(self) -> str:  # type: ignore[override]
        return f"FactoredGradient({tuple(self.shape)}, rank at most {self.left.shape[0]})"
