import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.nn import Extension, extend_rows_, kept_rows, longer_runs, with_rows

runs = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=5)


@settings(max_examples=50, deadline=None)
@given(runs, st.sampled_from([(), (1,), (2, 3)]))
def test_old_rows_are_where_it_is_said(sizes: list[tuple[int, int]], shape: tuple[int, ...]) -> None:
    before = [old for old, _ in sizes]
    after = [old + added for old, added in sizes]
    tensor = torch.randn(sum(before), *shape)
    extensions = longer_runs(before, after)
    longer = with_rows(tensor, extensions)
    assert longer.shape == (sum(after), *shape)
    assert torch.equal(longer[kept_rows(len(tensor), extensions)], tensor)
    for old, new in zip(tensor.split(before), longer.split(after), strict=True):
        assert torch.equal(new[: len(old)], old)


def test_new_rows_are_drawn_like_their_own_run() -> None:
    torch.manual_seed(0)
    tensor = torch.cat([torch.randn(50, 40) * 3 + 5, torch.full((2, 40), 7.0)])
    longer = with_rows(tensor, [Extension(0, 50, 100), Extension(50, 52, 1)])
    fresh = longer[50:150]
    assert (fresh.mean().item(), fresh.std().item()) == pytest.approx((5, 3), rel=0.1)
    assert torch.equal(longer[152:], torch.full((1, 40), 7.0))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_parameters_are_replaced_with_what_they_were(dtype: torch.dtype) -> None:
    linear = nn.Linear(3, 4, dtype=dtype)
    linear.bias.requires_grad_(False)
    old = dict(linear.named_parameters())
    grown = {id(one.old): one for one in extend_rows_(linear, [Extension(0, 2, 3)])}
    for name, parameter in old.items():
        one = grown[id(parameter)]
        assert linear.get_parameter(name) is one.new
        assert one.kept.tolist() == [0, 1, 5, 6]
        assert torch.equal(one.new[one.kept], parameter)
        assert (one.new.requires_grad, one.new.dtype) == (parameter.requires_grad, dtype)


def test_on_the_meta_device() -> None:
    linear = nn.Linear(3, 4, device="meta")
    extend_rows_(linear, [Extension(0, 4, 2)])
    assert linear.weight.shape == (6, 3)


def test_reparametrised_layers_are_refused() -> None:
    linear = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
    with pytest.raises(ConfigError, match="reparametrised and cannot get more rows"):
        extend_rows_(linear, [Extension(0, 4, 1)])
