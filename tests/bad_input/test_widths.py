"""Widths that are no widths."""

import pytest
from torch import nn

from hyperdnn import Architecture
from hyperdnn.errors import LayoutError
from hyperdnn.layout import Widths


@pytest.mark.parametrize("width", [0.5, "2", None, -1, 2.0])
def test_a_width_is_a_whole_number(width: object) -> None:
    architecture = Architecture.of(nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 2)))
    with pytest.raises(LayoutError, match=r"'0': width .*, expected a whole number from 1 to 4"):
        Widths.of(architecture, {"0": width})
