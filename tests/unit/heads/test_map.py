import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from hyperdnn.heads._map import is_plain


class Doubled(nn.Linear):
    def forward(self, input):
        return 2 * super().forward(input)


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 2))


@pytest.mark.parametrize("linear", [nn.Linear(2, 2), parametrizations.weight_norm(nn.Linear(2, 2))])
def test_a_map_of_its_parameters(linear):
    assert is_plain(linear)


@pytest.mark.parametrize("linear", [Doubled(2, 2), Wrapped()])
def test_a_map_of_its_own(linear):
    assert not is_plain(linear)


def test_a_patched_map():
    linear = nn.Linear(2, 2)
    linear.forward = linear.forward
    assert not is_plain(linear)


@pytest.mark.parametrize(
    "register",
    [
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
    ],
)
def test_a_watched_map(register):
    linear = nn.Linear(2, 2)
    handle = getattr(linear, register)(lambda *seen: None)
    assert not is_plain(linear)
    handle.remove()
    assert is_plain(linear)
