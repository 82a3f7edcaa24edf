from torch import nn

from hyperdnn import ParamLayout, init
from hyperdnn.init import Moments


def test_matched_repeats_what_the_layout_measured() -> None:
    layout = ParamLayout.of(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)))
    assert init.matched(layout) == tuple(Moments(spec.init_mean, spec.init_std) for spec in layout)
    assert init.matched(layout)[2:] == (Moments(1.0, 0.0), Moments(0.0, 0.0))


def test_naive_has_unit_variance_everywhere() -> None:
    layout = ParamLayout.of(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)))
    assert init.naive(layout) == (Moments(0.0, 1.0),) * 4
