import pytest
import torch
from torch import nn

from hyperdnn import ParamLayout
from hyperdnn.errors import LayoutError
from hyperdnn.lab.losses._flat import flat, picked

LAYOUT = ParamLayout.of(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)))


def test_a_part_is_picked_in_the_layouts_order() -> None:
    weights = {name: torch.randn(5, *LAYOUT[name].shape) for name in reversed(LAYOUT.names)}
    part = LAYOUT.select("1.*")
    assert tuple(picked(weights, part)) == part.names
    torch.testing.assert_close(flat(weights, part), torch.cat([weights["1.weight"].flatten(1), weights["1.bias"]], 1))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(LayoutError, match=r"'1\.bias' is missing"):
        flat({"1.weight": torch.zeros(2, 4)}, LAYOUT.select("1.*"))
