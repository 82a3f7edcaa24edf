import copy
import io
import pickle

import pytest
import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.optim import FactoredGradient, keep_factors, keeps_factors


@pytest.fixture
def gradient():
    return FactoredGradient(torch.randn(2, 3), torch.randn(2, 4))


def test_it_is_asked_for_and_taken_back():
    parameter = nn.Parameter(torch.zeros(3, 4))
    assert not keeps_factors(parameter)
    keep_factors(parameter)
    assert keeps_factors(parameter)
    for _ in range(2):
        keep_factors(parameter, keep=False)
        assert not keeps_factors(parameter)


def _saved(parameter):
    buffer = io.BytesIO()
    torch.save(parameter, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p)), _saved])
def test_nobody_asked_it_of_a_copy(again):
    parameter = nn.Parameter(torch.zeros(3, 4))
    keep_factors(parameter)
    assert not keeps_factors(again(parameter))
    assert keeps_factors(parameter)


def test_it_looks_like_the_product(gradient):
    assert gradient.shape == (3, 4)
    assert gradient.dtype == torch.float32
    assert "(3, 4), rank at most 2" in repr(gradient)


@pytest.mark.parametrize(
    "use",
    [
        lambda g: g + 1,
        lambda g: g.mul_(2),
        lambda g: g.norm(),
        lambda g: g[0],
        lambda g: g.clone(),
        lambda g: g.double(),
        lambda g: g.isfinite(),
        lambda g: g.T,
        lambda g: torch.zeros(3, 4).add_(g),
        copy.deepcopy,
    ],
)
def test_every_operation_is_refused_with_the_way_out(gradient, use):
    with pytest.raises(ConfigError, match=r"two factors.*Adam\(fused=True\).*release"):
        use(gradient)


@pytest.mark.parametrize("use", [lambda g: g.numpy(), lambda g: g.tolist()])
def test_it_has_no_numbers_to_give(gradient, use):
    with pytest.raises(RuntimeError):
        use(gradient)
