import torch
from torch import nn

from hyperdnn.nn import Attached, Film


def test_it_runs_the_layer_and_then_what_is_attached() -> None:
    layer, film, x = nn.Linear(3, 4).eval(), Film(4), torch.randn(5, 3)
    nn.init.normal_(film.gain)
    both = Attached(layer, "film", film)
    torch.testing.assert_close(both(input=x), film(layer(x)))
    assert not film.training
    assert sorted(both.state_dict()) == ["base.bias", "base.weight", "film.gain", "film.shift"]
