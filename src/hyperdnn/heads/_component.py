"""Layer by layer, or filter by filter."""

from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.errors import ConfigError
from hyperdnn.heads._map import empty_map
from hyperdnn.heads._resize import check_longer, extend_map_, longer_plan
from hyperdnn.layout import ParamLayout, SlotPlan
from hyperdnn.nn import Extension, Grown, SlotSigns, TensorAffine
from hyperdnn.typing import Weights

__all__ = ["ComponentHead"]

_PLANS = {"layer": SlotPlan.by_layer, "row": SlotPlan.by_row}


@final
class ComponentHead(nn.Module):
    """Generates one component of the target in each slot ("component-wise"): a layer, or an output unit with its bias.

    Components of equal size share one linear map, so nothing is generated in vain. It pays where shapes repeat: a
    residual network has a hundred layers of five shapes.

    Args:
        hidden: width of the features coming from the body.
        layout: what to generate.
        component: ``"layer"``, or ``"row"``: a filter of a convolution, a unit of a linear layer.
        init: how generated weights start.
        normalize: scale features to unit root mean square first; without it as for `FullHead`.
        signs: give each slot its own fixed signs (see `nn.SlotSigns`).
        device: where to put the parameters.
        dtype: their type.

    Shape:
        features ``(*contexts, slots, hidden)`` -> each weight ``(*contexts, *spec.shape)``.

    Source:
        Ha, Dai & Le, "HyperNetworks", ICLR 2017, section 3.1; Chauhan et al., "A Brief Review of Hypernetworks in Deep
        Learning", 2024, section 3.2.
    """

    unused = 0

    def __init__(
        self,
        hidden: int,
        layout: ParamLayout,
        *,
        component: Literal["layer", "row"] = "layer",
        init: initial.Init = initial.matched,
        normalize: bool = True,
        signs: bool = True,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if component not in _PLANS:
            raise ConfigError(f"component='{component}': expected 'layer' or 'row'.")
        self.hidden = hidden
        self.layout = layout
        self.component = component
        self.normalize = normalize
        self.plan = _PLANS[component](layout)
        self.slots = self.plan.slots
        self.signs = SlotSigns(self.slots, hidden, device=device) if signs else None
        self.linears = nn.ModuleList(
            empty_map(hidden, group.size, device=device, dtype=dtype) for group in self.plan.groups
        )
        for linear in self.linears:
            assert isinstance(linear, nn.Linear)
            initial.fill_unit_(linear)
        means, stds = zip(*init(layout), strict=True)
        self.affine = TensorAffine(means, stds, device=device, dtype=dtype)

    def new_slots(self, layout: ParamLayout) -> tuple[Extension, ...]:
        """Slots that a layout with more rows adds.

        Raises:
            ConfigError: if a tensor would have to leave the map that it shares, or to join another.
        """
        check_longer(self.layout, layout, self.linears)
        return longer_plan(self.plan, _PLANS[self.component](layout))

    def resize(self, layout: ParamLayout) -> list[Grown]:
        """Generate for a layout with more rows (see `HyperDNN.resize`)."""
        more, plan = self.new_slots(layout), _PLANS[self.component](layout)
        grown = []
        for linear, old, new in zip(self.linears, self.plan.groups, plan.groups, strict=True):
            assert isinstance(linear, nn.Linear)
            if new.size > old.size:  # one slot, with its map to itself
                grown += extend_map_(linear, old.runs[0].widths, new.runs[0].widths)
        self.layout, self.plan, self.slots = layout, plan, plan.slots
        if self.signs is not None:
            self.signs.extend(more)
        return grown

    def forward(self, features: Float[Tensor, "*contexts slots hidden"]) -> Weights:
        if self.normalize:
            features = initial.unit_rms(features)
        if self.signs is not None:
            features = self.signs(features)
        contexts = features.shape[:-2]
        raw: Weights = {}
        by_group = torch.split(features, [group.slots for group in self.plan.groups], dim=-2)
        for group, linear, rows in zip(self.plan.groups, self.linears, by_group, strict=True):
            by_run = torch.split(linear(rows), [run.slots for run in group.runs], dim=-2)
            for run, numbers in zip(group.runs, by_run, strict=True):
                for name, piece in zip(run.names, torch.split(numbers, list(run.widths), dim=-1), strict=True):
                    raw[name] = piece.reshape(contexts + self.layout[name].shape)
        weights: Weights = self.affine({name: raw[name] for name in self.layout.names})
        return weights
