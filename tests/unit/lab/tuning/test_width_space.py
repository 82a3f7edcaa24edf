from collections import Counter
from itertools import product

import pytest
import torch
from torch import nn

from hyperdnn import Architecture
from hyperdnn.errors import ConfigError
from hyperdnn.lab.tuning import WidthSpace


def _cost(widths):
    return 3 * widths[0] + widths[0] * widths[1] + widths[1]


def _space(shares=(0.1, 0.5, 1.0), limit=0.5, layers=("0", "2"), least=0.0):
    net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 1))
    return WidthSpace(Architecture.of(net), layers, shares, cost=_cost, limit=limit, least=least)


def test_choices_are_shares_of_channels_and_at_least_one():
    space = _space()
    assert [space.widths(choice) for choice in [(0, 0), (1, 1), (2, 2), (2, 0)]] == [(1, 1), (4, 3), (8, 6), (8, 1)]
    assert space.widest == (8, 6)
    assert space.share((8, 6)) == 1


def test_what_is_affordable():
    space = _space()
    for choice in product(range(3), repeat=2):
        assert space.affords(choice) == (_cost(space.widths(choice)) <= 0.5 * _cost((8, 6)))
        near = _space(least=0.4)
        assert near.affords(choice) == (0.2 * _cost((8, 6)) <= _cost(space.widths(choice)) <= 0.5 * _cost((8, 6)))


def test_a_cut_has_the_widths_of_the_choice():
    space = _space()
    narrow = space.cut((1, 0)).narrow(space.architecture.module)
    assert [(layer.in_features, layer.out_features) for layer in narrow[::2]] == [(3, 4), (4, 1), (1, 1)]


@pytest.mark.parametrize("limit", [0.1, 0.3, 0.5, 1.0])
def test_no_uniform_network_is_nearer_to_the_limit(limit):
    space = _space(limit=limit)
    everywhere = {tuple(max(1, round(n * k / 1000)) for n in (8, 6)) for k in range(1, 1001)}
    assert space.uniform() in everywhere
    off = abs(space.share(space.uniform()) - limit)
    assert off == min(abs(space.share(widths) - limit) for widths in everywhere)


def test_random_choices_cost_hardly_less_than_the_limit():
    space = _space(shares=tuple(k / 8 for k in range(1, 9)), least=0.8)
    found = space.random(6, seed=1)
    assert len(set(found)) == 6
    assert all(0.4 <= space.share(space.widths(choice)) <= 0.5 for choice in found)
    assert found == space.random(6, seed=1)
    assert found != space.random(6, seed=2)


def test_each_affordable_choice_is_drawn_as_often():
    space, generator = _space(), torch.Generator().manual_seed(0)
    affordable = [choice for choice in product(range(3), repeat=2) if space.affords(choice)]
    drawn = Counter(space.draw(generator=generator) for _ in range(300 * len(affordable)))
    assert set(drawn) == set(affordable)
    assert all(240 < count < 360 for count in drawn.values())


def test_spaces_without_a_network_are_refused():
    with pytest.raises(ConfigError, match=r"shares above 0 and up to 1, got \(0.5, 1.5\)"):
        _space(shares=(0.5, 1.5))
    with pytest.raises(ConfigError, match=r"expected layers"):
        _space(layers=())
    with pytest.raises(ConfigError, match=r"limit: the narrowest network costs .* of the widest one, got 0.01"):
        _space(limit=0.01)
    with pytest.raises(ConfigError, match=r"hardly any network costs between 0.99 and 1 of the limit"):
        _space(least=0.99).draw()
    with pytest.raises(ConfigError, match=r"found \d networks that cost between 0 and 1 of the limit, expected 50"):
        _space().random(50, seed=0)
