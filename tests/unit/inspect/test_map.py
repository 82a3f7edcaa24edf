import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdnn.errors import ConfigError
from hyperdnn.inspect import flat_map, neighbour_map


@settings(deadline=None, max_examples=15)
@given(rows=st.integers(1, 9), width=st.integers(1, 40), seed=st.integers(0, 100))
def test_the_plane_is_that_of_a_singular_value_decomposition(rows, width, seed):
    torch.manual_seed(seed)
    data = torch.randn(rows, width, dtype=torch.float64)
    found = flat_map(data)
    assert found.points.shape == (rows, 2)
    _, values, axes = torch.linalg.svd(data - data.mean(0), full_matrices=False)
    for k in range(2):
        expected = (data - data.mean(0)) @ axes[k] if k < min(rows - 1, width) else torch.zeros(rows)
        torch.testing.assert_close(found.points[:, k].abs(), expected.double().abs(), atol=1e-6, rtol=1e-6)
        assert float(found.points[:, k].abs().max()) == pytest.approx(float(found.points[:, k].max()), abs=1e-9)
    total = float(values.square().sum())
    if rows > 1:
        assert found.shares[0] == pytest.approx(float(values[0] ** 2) / total)
    torch.testing.assert_close(found.place(data), found.points, atol=1e-6, rtol=1e-6)


def test_other_rows_have_a_place():
    torch.manual_seed(0)
    data = torch.randn(5, 30)
    found = flat_map(data)
    torch.testing.assert_close(found.place(data[1:3].mean(0)), found.points[1:3].mean(0), atol=1e-5, rtol=1e-5)
    assert found.place(torch.randn(2, 3, 30)).shape == (2, 3, 2)
    torch.testing.assert_close(found.axes.T @ found.axes, torch.eye(2, dtype=torch.float64))
    with pytest.raises(ConfigError, match=r"place: expected rows of 30 numbers, got \(2, 3\)"):
        found.place(torch.zeros(2, 3))
    with pytest.raises(ConfigError, match="has no place for other rows: use flat_map"):
        neighbour_map(data).place(data)


@pytest.mark.parametrize("make", [flat_map, neighbour_map])
@pytest.mark.parametrize(
    "rows", [torch.full((5, 4), 0.1), torch.zeros(3, 2), torch.ones(1, 7), torch.zeros(4, 0)], ids=str
)
def test_rows_that_do_not_differ_are_at_the_origin(make, rows):
    assert not make(rows).points.any()


def test_rounding_is_no_difference():
    rows = torch.full((4, 100), 1.0)
    rows[0, 0] += 1e-7
    assert flat_map(rows).shares == (0.0, 0.0)


def test_a_line_has_no_second_axis():
    found = flat_map(torch.arange(4.0)[:, None] * torch.ones(3))
    assert found.shares == (pytest.approx(1), 0.0)
    assert not found.points[:, 1].any()
    spacing = found.points[:, 0].sort().values.diff()
    torch.testing.assert_close(spacing, torch.full((3,), math.sqrt(3.0), dtype=torch.float64))


def test_neighbours_stay_together_and_the_map_is_the_same_again():
    torch.manual_seed(0)
    data = torch.cat([torch.randn(6, 20), torch.randn(6, 20) + 20])
    first = neighbour_map(data)
    assert torch.equal(first.points, neighbour_map(data).points)
    apart = torch.cdist(first.points, first.points).fill_diagonal_(math.inf)
    assert all((int(row.argmin()) < 6) is (k < 6) for k, row in enumerate(apart))
    assert first.shares is None
    assert neighbour_map(torch.randn(2, 5)).points.isfinite().all()
    assert neighbour_map(torch.randn(4, 5)).points.isfinite().all()


def test_what_is_no_map():
    with pytest.raises(ConfigError, match=r"takes rows \(n, ...\), one or more, got \(0, 3\)"):
        flat_map(torch.zeros(0, 3))
    with pytest.raises(ConfigError, match=r"got \(3,\)"):
        neighbour_map(torch.zeros(3))
    with pytest.raises(ConfigError, match="takes finite numbers"):
        flat_map(torch.tensor([[1.0, math.nan]]))
