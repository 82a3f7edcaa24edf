import pytest
import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.heads._by_node import KindGains, owners, pieces
from hyperdnn.init import Moments
from hyperdnn.layout import ParamLayout

LAYOUT = ParamLayout.of(nn.Sequential(nn.Linear(9, 4), nn.LayerNorm(4), nn.Linear(4, 4)))


def test_a_gain_is_added_to_all_tensors_of_its_kind_in_units_of_their_fan_in() -> None:
    gains, raw = KindGains(dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    found = pieces(LAYOUT, [Moments(0.5, 0.25)] * len(LAYOUT), owners(LAYOUT, None, None)[0] or ())
    for piece in found:
        torch.testing.assert_close(gains(raw, piece), 0.5 + 0.25 * raw)
    nn.init.constant_(gains.gains, 0.3)
    units = {"0.weight": 3, "0.bias": 3, "1.weight": 1, "1.bias": 1, "2.weight": 2, "2.bias": 2}
    for piece in found:
        torch.testing.assert_close(gains(raw, piece), 0.5 + (0.25 + 0.3 / units[piece.spec.name]) * raw)


def test_tensors_of_a_row_take_turns() -> None:
    found = pieces(LAYOUT, [Moments(0.0, 1.0)] * len(LAYOUT), (1, 1, 0, 1, 0, 2))
    assert [(piece.row, piece.turn) for piece in found] == [(1, 0), (1, 1), (0, 0), (1, 2), (0, 1), (2, 0)]


def test_a_row_for_each_layer_or_as_given() -> None:
    assert owners(LAYOUT, None, None) == ((0, 0, 1, 1, 2, 2), 3)
    assert owners(LAYOUT, [4, 4, 0, 0, 1, 1], 6) == ((4, 4, 0, 0, 1, 1), 6)
    assert owners(None, None, None) == (None, None)


@pytest.mark.parametrize(("owner", "slots"), [((0, 0), None), ((0, 0, 1, 1, 2, -1), 3), ((0, 0, 1, 1, 2, 3), 3)])
def test_rows_that_do_not_fit(owner: tuple[int, ...], slots: int | None) -> None:
    with pytest.raises(ConfigError, match=r"owner: expected a row from 0 to .* for each of 6 tensors, got"):
        owners(LAYOUT, owner, slots)
