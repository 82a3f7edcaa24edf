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


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(4, 6)
        self.block = nn.Linear(6, 6)
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.enter(x)
        z: Tensor = self.out(y + self.block(y))
        return z


def test_a_width_that_breaks_a_skip_connection() -> None:
    architecture = Architecture.of(Skip())
    words = "'add' meets 3 channels of 'enter' and 6 channels of 'block': give both layers the same width"
    with pytest.raises(LayoutError, match=words):
        Widths.of(architecture, {"enter": 3})
    assert Widths.of(architecture, {"enter": 3, "block": 3}).layout["block.weight"].shape == (3, 3)


def test_a_layer_that_is_not_there() -> None:
    with pytest.raises(LayoutError, match=r"widths: 'blok' matches no layer that has a width\. Did you mean 'block'\?"):
        Widths.of(Architecture.of(Skip()), {"blok": 3})
