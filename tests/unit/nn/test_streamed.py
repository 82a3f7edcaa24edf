import operator

import pytest
import torch
from torch import nn

from hyperdnn.errors import BatchingError, ConfigError
from hyperdnn.nn import StreamedWeight

VALUES = torch.arange(6.0).reshape(2, 3)


@pytest.fixture
def made():
    return []


@pytest.fixture
def weight(made):
    def make(features, positions):
        made.append(tuple(positions))
        return [features[..., None, None] * VALUES for _ in positions]

    return StreamedWeight(make, torch.tensor(2.0, requires_grad=True), 0, (2, 3), 0)


def test_questions_about_it_make_nothing(weight, made):
    assert weight.shape == (2, 3)
    assert (weight.ndim, weight.dtype, len(weight), weight.numel()) == (2, torch.float32, 2, 6)
    assert weight.requires_grad
    assert not made


def test_an_operation_makes_it_and_its_backward_once_more(weight, made):
    loss = (weight * weight).sum()
    assert made == [(0, 0)]  # both factors at once
    (gradient,) = torch.autograd.grad(loss, weight.features)
    assert made == [(0, 0), (0, 0)]
    torch.testing.assert_close(gradient, 2 * 2.0 * VALUES.square().sum())


@pytest.mark.parametrize(
    "write",
    [
        lambda w: w.mul_(2),
        lambda w: w.zero_(),
        lambda w: operator.iadd(w, 1),
        lambda w: operator.ior(w, 1),
        lambda w: operator.setitem(w, 0, 1.0),
        lambda w: torch.relu_(w),
        lambda w: nn.init.normal_(w),
        lambda w: setattr(w, "data", VALUES),
        lambda w: torch.add(VALUES, 1, out=w),
    ],
)
def test_what_is_written_to_it_would_be_lost(weight, write):
    with pytest.raises(ConfigError, match=r"streamed weight is made anew.*is lost.*without stream=True"):
        write(weight)


def test_what_it_is_written_to_is_written_once(weight):
    product = torch.full((2, 3), 3.0)
    product.mul_(weight)
    before = product.detach().clone()
    product.square().sum().backward()
    torch.testing.assert_close(product.detach(), before)
    torch.testing.assert_close(weight.features.grad, (2 * 9 * 2.0 * VALUES.square()).sum())


def test_an_index_into_contexts_is_streamed_and_others_are_not(made):
    def make(features, positions):
        made.append(features.shape)
        return [features[..., None] * VALUES[0] for _ in positions]

    many = StreamedWeight(make, torch.ones(4, 5), 0, (4, 5, 3), 2)
    assert isinstance(many[1], StreamedWeight)
    assert many[1, 2].shape == (3,)
    assert not made
    assert type(many[1, 2] + 0) is torch.Tensor
    assert made == [()]
    assert type(many[0, 0, 0]) is torch.Tensor
    assert type(many[:2]) is torch.Tensor


def test_below_its_level_it_is_refused(weight):
    with pytest.raises(BatchingError, match='mode="loop"'):
        torch.vmap(torch.sin)(weight)
