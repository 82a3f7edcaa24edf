"""The base weights that a change is added to."""

from typing import final

from torch import Tensor, nn

from hyperdnn.layout import ParamLayout

__all__ = ["BaseWeights"]


@final
class BaseWeights(nn.Module):
    """Keeps parameters under their dotted names, as nested modules: ``base.layer1.0.weight`` in the ``state_dict``.

    Args:
        module: where the values come from.
        layout: which parameters.
        trained: whether they require a gradient.
    """

    def __init__(self, module: nn.Module, layout: ParamLayout, *, trained: bool) -> None:
        super().__init__()
        for spec in layout:
            *path, leaf = spec.name.split(".")
            node: nn.Module = self
            for part in path:
                if part not in node._modules:
                    node._modules[part] = nn.Module()
                node = node.get_submodule(part)
            node.register_parameter(leaf, nn.Parameter(module.get_parameter(spec.name).detach(), requires_grad=trained))

    def __getitem__(self, name: str) -> Tensor:
        return self.get_parameter(name)
