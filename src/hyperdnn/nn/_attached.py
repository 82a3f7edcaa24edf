"""A layer with something behind it."""

from typing import Any, final

from torch import Tensor, nn

from hyperdnn.nn._described import described

__all__ = ["Attached"]


@final
class Attached(nn.Module):
    """Runs a layer and then a small module on its output.

    Parameters are called ``base.*`` and, by the name of what is attached, ``film.*`` or ``adapter.*``.

    Args:
        layer: any that returns a tensor.
        name: of what is attached.
        module: changes the layer's output.

    Shape:
        as the layer's, then as the module's.
    """

    def __init__(self, layer: nn.Module, name: str, module: nn.Module) -> None:
        super().__init__()
        self.base = layer
        self.name = name
        self.add_module(name, module)
        self.train(layer.training)

    @property
    def weight(self) -> Tensor | None:
        """What the layer's own weight is like: its type, device and shape. Computing with it is an error."""
        return described(self.base)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        output: Tensor = self.get_submodule(self.name)(self.base(*args, **kwargs))
        return output
