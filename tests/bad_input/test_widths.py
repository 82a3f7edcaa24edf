"""Widths that are no widths."""

import pytest
import torch
from torch import Tensor, nn

from hyperdnn import Architecture
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.layout import Widths


@pytest.mark.parametrize("width", [0.5, "2", None, -1, 2.0, True])
def test_a_width_is_a_whole_number(width: object) -> None:
    architecture = Architecture.of(nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 2)))
    with pytest.raises(LayoutError, match=r"'0': width .*, expected a whole number from 1 to 4"):
        Widths.of(architecture, {"0": width})


def test_what_is_no_architecture_or_no_mapping() -> None:
    module = nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 2))
    with pytest.raises(ConfigError, match=r"takes an Architecture and a dict of widths, .* got Sequential and dict"):
        Widths.of(module, {"0": 2})
    with pytest.raises(ConfigError, match="got Architecture and list"):
        Widths.of(Architecture.of(module), ["0"])


def test_a_sum_names_the_side_that_could_stay() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.narrow, self.shift = nn.Linear(3, 4), nn.Linear(4, 2), nn.Parameter(torch.randn(2, 2))

        def forward(self, x: Tensor) -> Tensor:
            return self.narrow(self.wide(x) + self.shift.view(4))

    with pytest.raises(LayoutError, match=r"meets 2 channels of 'wide' and all channels of 'view': .* leave 'wide' as"):
        Widths.of(Architecture.of(Shifted()), {"wide": 2})
