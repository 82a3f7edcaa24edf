"""What a wrapped layer says of the weight inside it."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from hyperdnn.errors import LayoutError

__all__ = ["described"]

_PROPERTIES = (
    *("device", "dtype", "is_cuda", "is_meta", "is_nested", "is_quantized", "is_sparse", "itemsize", "layout"),
    *("nbytes", "ndim", "requires_grad", "shape"),
)
_METHODS = (
    *("__len__", "__repr__", "dim", "element_size", "get_device", "is_complex", "is_contiguous", "is_floating_point"),
    *("numel", "size", "stride"),
)
_ANSWERED = {getattr(Tensor, name).__get__ for name in _PROPERTIES} | {getattr(Tensor, name) for name in _METHODS}


def described(layer: nn.Module) -> Tensor | None:
    """A layer's weight to be asked for its type, device and shape, and not to be computed with.

    Code that calls a layer sometimes asks its weight for these first, as T5 in transformers does. Code that computes
    with it instead would miss what was put beside or behind the layer, in silence: it gets a `LayoutError`. A tensor
    that is of a class of its own already (sharded, quantised, traced for export) cannot be given another, and passes.
    """
    weight = getattr(layer, "weight", None)
    if not isinstance(weight, Tensor):
        return None
    if isinstance(weight, _Described):
        return weight
    plain = weight.detach()
    return plain.as_subclass(_Described) if type(plain) is Tensor else plain


class _Described(Tensor):
    """Answers questions and refuses to take part in anything else."""

    @classmethod
    def __torch_function__(
        cls,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _ANSWERED:
            return super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]
        asked = func.__self__ if getattr(func, "__name__", "") == "__get__" else func  # a property's getter
        name = getattr(asked, "__name__", asked)
        raise LayoutError(
            f"'{name}' would compute with the weight of a layer that has something attached to it, and miss that. Call "
            "the layer instead; or attach nothing to it and generate a change of the weight, Target(net, "
            "combine=targets.LowRank(rank))."
        )
