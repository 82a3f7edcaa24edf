"""Functions between a head and the target."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyperdnn import init as initial
from hyperdnn.errors import ConfigError, nearest
from hyperdnn.init import Moments
from hyperdnn.layout import ParamLayout, ParamSpec, Selector
from hyperdnn.nn import Extension, Grown, growing
from hyperdnn.typing import Weights

__all__ = ["Linked"]


class _Link(NamedTuple):
    """A function of generated numbers, its inverse, and the moments that must go in for the layout's to come out."""

    apply: Callable[[Tensor, ParamSpec], Tensor]
    invert: Callable[[Tensor, ParamSpec], Tensor]
    before: Callable[[ParamSpec], Moments]


@final
class Linked(nn.Module):
    """Passes what a head generates through a function, tensor by tensor: keeps gains positive, or weights bounded.

    The head is built here, for a layout whose moments lie before the functions, so that the target starts where it
    would without them (to first order in the deviation). This holds for ``init=matched``; other rules set their
    moments before the functions.

    ============  ==========================  =======================================
    link          weight                      range
    ============  ==========================  =======================================
    ``tanh``      tanh(g)                     -1 to 1
    ``sigmoid2``  2 sigmoid(g)                0 to 2
    ``one_plus``  1 + g                       any: g is a change of the neutral gain
    ``softmax``   softmax over the last       0 to 1, rows sum to 1; equal at the start
                  dimension of g
    ``fan_in``    g / sqrt(fan-in)            any: g has the same size in every layer
    ============  ==========================  =======================================

    A saved model only names it, as it does a part of the user's own: pass ``from_pretrained(..., head=...)``.

    Args:
        layout: what to generate.
        links: selector (see `ParamLayout.select`) -> link. What is not selected stays as generated.
        head: layout -> head, such as ``lambda layout: FullHead(64, layout)``.

    Shape:
        features as the head takes them -> each weight ``(*contexts, *spec.shape)``.

    Raises:
        ConfigError: for an unknown link, two links on a tensor, or a tensor whose own start the link cannot reach.
        LayoutError: if a selector matches nothing.

    Source:
        ``one_plus``: Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018; ``sigmoid2``:
        Swietojanski & Renals, "Learning Hidden Unit Contributions for Unsupervised Speaker Adaptation of Neural Network
        Acoustic Models", SLT 2014.
    """

    def __init__(
        self, layout: ParamLayout, links: Mapping[Selector, str], head: Callable[[ParamLayout], nn.Module]
    ) -> None:
        super().__init__()
        self.layout = layout
        self.links = _chosen(layout, links)  # by name of the tensor
        self.head = head(self._inner(layout))
        self.hidden = getattr(self.head, "hidden", None)
        self.slots = getattr(self.head, "slots", None)

    def start_at_(self, flat: Float[Tensor, " numel"]) -> None:
        """Generate these weights for every context, if the head can (see `init.from_target_`).

        Raises:
            ConfigError: for a value that its link cannot reach.
        """
        values = self.layout.split(flat)
        for name, link in self.links.items():
            number = _LINKS[link].invert(values[name], self.layout[name])
            reached = _LINKS[link].apply(number, self.layout[name])
            if not (bool(number.isfinite().all()) and torch.allclose(reached, values[name], rtol=1e-3, atol=1e-4)):
                raise ConfigError(f"'{name}' is to start at values that '{link}' cannot reach. Use another link.")
            values[name] = number
        initial.from_target_(self.head, values)

    def new_slots(self, layout: ParamLayout) -> tuple[Extension, ...]:
        """Slots that a layout with more rows adds to the head.

        Raises:
            ConfigError: for a vector under ``softmax``: new entries would change the old ones.
        """
        for name, link in self.links.items():
            if link == "softmax" and len(layout[name].shape) == 1 and layout[name].shape != self.layout[name].shape:
                raise ConfigError(
                    f"'{name}' is a vector under 'softmax', which divides 1 among its entries: new ones would change "
                    "the old ones. Build a larger model, or use another link."
                )
        return growing(self.head).new_slots(self._inner(layout))

    def resize(self, layout: ParamLayout) -> list[Grown]:
        """Generate for a layout with more rows (see `HyperDNN.resize`)."""
        self.new_slots(layout)
        grown = growing(self.head).resize(self._inner(layout))
        self.layout, self.slots = layout, getattr(self.head, "slots", None)
        return grown

    def forward(self, features: Float[Tensor, "*rows hidden"]) -> Weights:
        weights: Weights = self.head(features)
        return {
            name: _LINKS[self.links[name]].apply(tensor, self.layout[name]) if name in self.links else tensor
            for name, tensor in weights.items()
        }

    def _inner(self, layout: ParamLayout) -> ParamLayout:
        """The head's layout: moments lie before the functions."""
        return ParamLayout(tuple(_before(spec, self.links.get(spec.name)) for spec in layout))


def _chosen(layout: ParamLayout, links: Mapping[Selector, str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for selector, link in links.items():
        if link not in _LINKS:
            raise ConfigError(f"link '{link}' is unknown.{nearest(link, _LINKS)}")
        for spec in layout.select(selector):
            if spec.name in chosen:
                raise ConfigError(f"'{spec.name}' has two links, '{chosen[spec.name]}' and '{link}': select it once.")
            chosen[spec.name] = link
    return chosen


def _before(spec: ParamSpec, link: str | None) -> ParamSpec:
    if link is None:
        return spec
    mean, std = _LINKS[link].before(spec)
    return replace(spec, init_mean=mean, init_std=std)


def _before_tanh(spec: ParamSpec) -> Moments:
    _inside(spec, "tanh", -1.0, 1.0)
    return Moments(math.atanh(spec.init_mean), spec.init_std / (1 - spec.init_mean**2))


def _before_sigmoid2(spec: ParamSpec) -> Moments:
    _inside(spec, "sigmoid2", 0.0, 2.0)
    p = spec.init_mean / 2
    return Moments(math.log(p / (1 - p)), spec.init_std / (2 * p * (1 - p)))


def _before_one_plus(spec: ParamSpec) -> Moments:
    return Moments(spec.init_mean - 1, spec.init_std)


def _before_softmax(spec: ParamSpec) -> Moments:
    if not spec.shape:
        raise ConfigError(f"'{spec.name}' is a single number: a softmax would make it 1. Use another link.")
    return Moments(0.0, 0.0)


def _before_fan_in(spec: ParamSpec) -> Moments:
    return Moments(spec.init_mean * spec.fan_in**0.5, spec.init_std * spec.fan_in**0.5)


def _inside(spec: ParamSpec, link: str, low: float, high: float) -> None:
    if not low < spec.init_mean < high:
        raise ConfigError(
            f"'{spec.name}' starts at a mean of {spec.init_mean:g}, which '{link}' cannot reach: expected one between "
            f"{low:g} and {high:g}. Use another link, or initialise the target's tensor inside the range."
        )


_LINKS: dict[str, _Link] = {
    "tanh": _Link(lambda g, spec: g.tanh(), lambda w, spec: w.atanh(), _before_tanh),
    "sigmoid2": _Link(lambda g, spec: 2 * g.sigmoid(), lambda w, spec: (w / 2).logit(), _before_sigmoid2),
    "one_plus": _Link(lambda g, spec: 1 + g, lambda w, spec: w - 1, _before_one_plus),
    "softmax": _Link(lambda g, spec: g.softmax(-1), lambda w, spec: w.log(), _before_softmax),
    "fan_in": _Link(lambda g, spec: g / spec.fan_in**0.5, lambda w, spec: w * spec.fan_in**0.5, _before_fan_in),
}
