import math
from collections.abc import Sequence

import pytest
import torch

from hyperdnn.encoders import ScaledVector
from hyperdnn.errors import ConfigError, ContextError

RANGES = [(1e-5, 1e-1), (-2.0, 6.0), (1.0, 1e4)]


@pytest.fixture
def scaled() -> ScaledVector:
    return ScaledVector(RANGES, log=[0, 2])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_ends_and_middles_become_minus_one_zero_and_one(scaled: ScaledVector, dtype: torch.dtype) -> None:
    context = torch.tensor([[1e-5, -2, 1], [1e-3, 2, 100], [1e-1, 6, 1e4]], dtype=dtype)
    expected = torch.tensor([[-1.0], [0.0], [1.0]], dtype=dtype).expand(3, 3)
    torch.testing.assert_close(scaled(context), expected, atol=4 * torch.finfo(dtype).eps + 1e-7, rtol=0)


def test_a_factor_is_a_step_of_equal_length(scaled: ScaledVector) -> None:
    values = torch.tensor([1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
    context = torch.stack([values, torch.zeros(5), torch.ones(5)], dim=-1)
    torch.testing.assert_close(scaled(context)[:, 0], torch.linspace(-1, 1, 5), atol=1e-6, rtol=0)


@pytest.mark.parametrize("sizes", [(), (1,), (4,), (0,), (2, 3)])
def test_sizes_are_the_context_dimensions(scaled: ScaledVector, sizes: tuple[int, ...]) -> None:
    context = scaled.sample(*sizes)
    assert context.shape == (*sizes, 3)
    assert scaled(context).shape == (*sizes, 3)


def test_samples_are_uniform_in_the_scaled_space(scaled: ScaledVector) -> None:
    context = scaled.sample(20_000, generator=torch.Generator().manual_seed(0))
    for i, (low, high) in enumerate(RANGES):
        assert low <= context[:, i].min()
        assert context[:, i].max() <= torch.tensor(high)
    unit = scaled(context)
    torch.testing.assert_close(unit.mean(0), torch.zeros(3), atol=0.02, rtol=0)
    torch.testing.assert_close(unit.var(0), torch.full((3,), 1 / 3), atol=0.01, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_the_generator_decides_and_samples_may_be_given(dtype: torch.dtype) -> None:
    scaled = ScaledVector(RANGES, log=[0, 2], dtype=dtype)
    first, second = (scaled.sample(2000, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.dtype == dtype
    assert scaled(first).abs().max() <= 1 + 4 * torch.finfo(dtype).eps


@pytest.mark.parametrize(("drawn", "end"), [(0.0, 0), (1.0, 1)])
def test_no_draw_is_outside_by_rounding(
    scaled: ScaledVector, monkeypatch: pytest.MonkeyPatch, drawn: float, end: int
) -> None:
    monkeypatch.setattr(torch, "rand", lambda *sizes, **options: torch.full(sizes, drawn))
    low, high = (torch.tensor(ends) for ends in zip(*RANGES, strict=True))
    context = scaled.sample()
    torch.testing.assert_close(context, (low, high)[end])
    assert ((low <= context) & (context <= high)).all()


def test_a_bound_that_was_computed_is_not_outside(scaled: ScaledVector) -> None:
    context = torch.tensor([[0.1 * (1 + 1e-7), 6, 1e4 * (1 + 1e-7)]])
    assert scaled(context).max() == pytest.approx(1)


@pytest.mark.usefixtures("as_a_user_runs_it")
@pytest.mark.parametrize(
    ("context", "words"),
    [
        ([[1e-3, 0, 1], [1e-3, 7, 1]], r"7 at \[1, 1\] is outside of its range -2 to 6\. Give coordinate 1 a wider"),
        ([0.2, 0, 1], r"0\.2 at \[0\] is outside of its range 1e-05 to 0\.1"),
        ([0.0, 0, 1], r"0 at \[0\] is outside"),
        ([-1e-3, 0, 1], r"-0\.001 at \[0\] is outside"),
        ([float("nan"), 0, 1], r"the context is not finite at \[0\]"),
        ([1e-3, 0], r"expected \(\*contexts, 3\), got \(2,\)"),
    ],
)
def test_what_is_outside_is_named(scaled: ScaledVector, context: list[float], words: str) -> None:
    with pytest.raises(ContextError, match=words):
        scaled(torch.tensor(context))


def test_zero_is_outside_also_where_the_lower_end_rounds_to_it() -> None:
    with pytest.raises(ContextError, match="outside of its range 1e-09 to 1"):
        ScaledVector([(1e-9, 1.0)], log=[0])(torch.zeros(1, dtype=torch.float16))


@pytest.mark.parametrize(
    ("ranges", "log", "words"),
    [
        ([], (), "needs at least one range"),
        ([(1.0, 1.0)], (), r"range 0: expected two finite numbers, the lower one first, got \(1, 1\)"),
        ([(0.0, 1.0), (0.0, math.inf)], (), r"range 1: .*got \(0, inf\)"),
        ([(math.nan, 1.0)], (), "range 0: expected two finite"),
        ([(0.0, 1.0)], (0,), r"range 0: a logarithmic range must be positive, got \(0, 1\)"),
        ([(0.1, 1.0)], (1,), r"log=\(1,\): expected positions of coordinates, 0 to 0, got 1"),
        ([(0.1, 1.0), (0.1, 1.0)], (True, False), "expected positions of coordinates, 0 to 1, got True"),
    ],
)
def test_ranges_that_mean_nothing(ranges: list[tuple[float, float]], log: Sequence[int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ScaledVector(ranges, log=log)


def test_the_gradient_of_a_linear_coordinate_at_zero_or_below_is_finite(scaled: ScaledVector) -> None:
    context = torch.tensor([[1e-3, -1.0, 10.0], [1e-3, 0.0, 10.0]], requires_grad=True)
    scaled(context).sum().backward()
    half = math.log(1e4) / 2
    torch.testing.assert_close(context.grad, torch.tensor([1e3 / half, 0.25, 0.1 / half]).expand(2, 3))


def test_under_vmap_values_are_the_same(scaled: ScaledVector) -> None:
    context = scaled.sample(4)
    torch.testing.assert_close(torch.vmap(scaled)(context), scaled(context))


def test_a_passing_half_precision_leaves_the_ranges_exact(scaled: ScaledVector) -> None:
    context = scaled.sample(100)
    assert torch.equal(scaled.bfloat16().float()(context), ScaledVector(RANGES, log=[0, 2])(context))
    assert scaled.state_dict() == {}
