"""Narrower versions of one network, each trained as usual."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.baselines._separate import Separate
from hyperdnn.layout import Architecture, Widths
from hyperdnn.targets import Target
from hyperdnn.typing import Weights

__all__ = ["Narrowed"]


@final
class Narrowed(nn.Module):
    """Narrower versions of one network, trained side by side; their widths may be chosen late.

    What a search for widths ends with. Each network lies in tensors with room for the widest one, so that a model can
    be built, and its training resumed, before it is known which networks these are. Batch normalisation keeps no
    statistics meanwhile: measure those of a `network` anew. A step on the sum of their losses is the step that each
    would take on its own under SGD, Adam and AdamW; ``train.clip_norm`` would tie them together.

    Args:
        architecture: the widest network, all of whose parameters are in the layout.
        layers: whose widths are chosen.
        networks: how many.

    Shape:
        outputs ``(networks, ...)`` of the module's on the same inputs.

    Raises:
        ConfigError: no network, or a parameter that the layout leaves out.
    """

    widths: Tensor

    def __init__(self, architecture: Architecture, layers: Sequence[str], networks: int) -> None:
        super().__init__()
        left_out = dict(architecture.module.named_parameters()).keys() - set(architecture.layout.names)
        if networks < 1 or left_out:
            raise ConfigError(
                f"Narrowed: expected at least one network, got {networks}."
                if networks < 1
                else f"Narrowed: '{min(left_out)}' is not in the layout. Take Architecture.of(module), of all of it."
            )
        self.architecture = architecture
        self.layers = tuple(layers)
        self.rooms = Separate(networks, architecture.layout)
        widest = [architecture.layout[f"{layer}.weight"].shape[0] for layer in layers]
        self.register_buffer("widths", torch.tensor([widest] * networks))
        self._targets: dict[tuple[int, ...], tuple[Widths, Target]] = {}

    @torch.no_grad()
    def choose_(self, widths: Sequence[Sequence[int]]) -> None:
        """Take these widths, of each network for each of the layers, and draw weights as such layers do.

        Raises:
            ConfigError: for another number of networks.
            LayoutError: for a width that a layer cannot have.
        """
        if len(widths) != len(self.rooms.tensors[0]):
            raise ConfigError(f"Narrowed: expected widths of {len(self.rooms.tensors[0])} networks, got {len(widths)}.")
        cuts = [self._cut(one) for one in widths]
        self.widths.copy_(torch.tensor(widths))
        for index, cut in enumerate(cuts):
            drawn = cut.narrow(self.architecture.module)
            for layer in drawn.modules():
                reset = getattr(layer, "reset_parameters", None)
                if reset is not None:
                    reset()
            for name, part in cut.slice(self._room(index)).items():
                part.copy_(drawn.get_parameter(name))  # a slice of the room itself

    def forward(self, *args: Tensor) -> Tensor:
        outputs = []
        for index, chosen in enumerate(self._chosen()):  # of different shapes, so not as one batch
            if chosen not in self._targets:
                cut = self._cut(chosen)
                self._targets[chosen] = cut, Target(cut.narrow(self.architecture.module), buffers="batch")
            cut, target = self._targets[chosen]
            outputs.append(target.train(self.training)(cut.slice(self._room(index)), *args))
        return torch.stack(outputs)

    def network(self, index: int) -> nn.Module:
        """One of them as an ordinary module, with weights of its own; it has not measured any statistics."""
        return self._cut(self._chosen()[index]).bake(self.architecture.module, self._room(index))

    def _chosen(self) -> list[tuple[int, ...]]:
        return [tuple(row) for row in self.widths.tolist()]

    def _cut(self, widths: Sequence[int]) -> Widths:
        return Widths.of(self.architecture, dict(zip(self.layers, widths, strict=True)))

    def _room(self, index: int) -> Weights:
        return {name: room[index] for name, room in zip(self.rooms.layout.names, self.rooms.tensors, strict=True)}
