"""What a module returns beside tensors is either right for every context or refused."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import HyperDNNError


@dataclass
class Prediction:
    """Not a tree that torch knows."""

    y: torch.Tensor


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return Prediction(self.layer(x))


class Reading(Wrapped):
    def forward(self, x):
        y = self.layer(x)
        return y, y.sum().item()


class Unwrapping(Wrapped):
    def forward(self, data):
        return self.layer(data.y)


def _target(module, contexts):
    target = hd.Target(module)
    return target, {s.name: torch.randn(*contexts, *s.shape) for s in target.layout}


@pytest.mark.parametrize("mode", ["vmap", "loop"])
@pytest.mark.parametrize("verb", ["batched", "paired", "grouped"])
def test_an_output_that_cannot_be_joined_is_refused(verb, mode):
    target, weights = _target(Wrapped(), (4,))
    x, more = {"batched": (torch.randn(4, 5, 3), {}), "paired": (torch.randn(4, 3), {})}.get(
        verb, (torch.randn(6, 3), {"index": torch.tensor([0, 1, 3, 3, 0, 1])})
    )
    with pytest.raises(HyperDNNError, match="Prediction"):
        getattr(target, verb)(weights, x, mode=mode, **more)


@pytest.mark.parametrize("mode", ["vmap", "loop"])
def test_a_number_that_differs_between_contexts_is_refused(mode):
    target, weights = _target(Reading(), (4,))
    with pytest.raises(HyperDNNError):
        target.batched(weights, torch.randn(4, 5, 3), mode=mode)


@pytest.mark.parametrize("mode", ["vmap", "loop"])
@pytest.mark.parametrize("verb", ["batched", "paired", "grouped"])
def test_an_input_that_cannot_be_divided_is_refused(verb, mode):
    target, weights = _target(Unwrapping(), (4,))
    x = {"batched": torch.randn(4, 5, 3), "paired": torch.randn(4, 3), "grouped": torch.randn(6, 3)}[verb]
    more = {"index": torch.tensor([0, 1, 3, 3, 0, 1])} if verb == "grouped" else {}
    with pytest.raises(HyperDNNError, match="Prediction"):
        getattr(target, verb)(weights, Prediction(x), mode=mode, **more)


def test_what_is_not_mapped_passes_as_it_is():
    target, weights = _target(Wrapped(), ())
    assert target(weights, torch.randn(5, 3)).y.shape == (5, 2)
