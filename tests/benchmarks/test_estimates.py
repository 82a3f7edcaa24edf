import math
import random
import statistics

import pytest
from benchmarks.estimates import fit, judge, median_interval, ratios


def test_ratios_are_taken_round_by_round():
    assert ratios([2.0, 9.0], [4.0, 3.0]) == [0.5, 3.0]


@pytest.mark.parametrize(("count", "k"), [(6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (15, 4), (21, 6)])
def test_interval_reaches_from_the_kth_smallest_to_the_kth_largest(count, k):
    # k from the usual tables of the sign test
    values = random.Random(0).sample(range(1, count + 1), count)
    assert median_interval(values) == (k, count + 1 - k)


@pytest.mark.parametrize("count", range(6))
def test_a_few_values_allow_no_interval(count):
    assert median_interval([1.0] * count) is None


def test_interval_covers_the_median_as_often_as_it_says():
    noise = random.Random(0)
    hits = 0
    for _ in range(2000):
        low, high = median_interval([noise.expovariate(1.0) for _ in range(9)])
        hits += low <= math.log(2) <= high
    assert 0.95 <= hits / 2000 <= 0.975  # 0.961 exactly


@pytest.mark.parametrize(
    ("measured", "interval", "verdict"),
    [
        (0.9, (0.8, 1.0), "reached"),
        (0.9, (0.8, 1.01), "undecided"),
        (1.1, (1.0, 1.2), "undecided"),
        (1.1, (1.01, 1.2), "missed"),
        (1.0, None, "reached"),
        (1.01, None, "missed"),
        (None, None, "not measured"),
    ],
)
def test_the_whole_interval_decides(measured, interval, verdict):
    assert judge(measured, interval, 1.0) == verdict


def test_a_power_law_is_found_exactly():
    exponent, low, high = fit([1, 10, 100, 1000], [3, 30, 300, 3000])
    assert (exponent, low, high) == pytest.approx((1, 1, 1))
    assert fit([2, 8, 32], [5, 10, 20]).exponent == pytest.approx(0.5)


def test_interval_of_an_exponent_is_the_textbooks():
    x, y = [1.0, 2.0, 3.0, 4.0, 5.0], [1.1, 1.9, 3.2, 3.9, 5.0]
    found = fit([math.exp(v) for v in x], [math.exp(v) for v in y])
    slope, start = statistics.linear_regression(x, y)
    error = math.sqrt(sum((b - start - slope * a) ** 2 for a, b in zip(x, y, strict=True)) / 3 / 10)
    assert found.exponent == pytest.approx(slope)
    assert found.high - found.low == pytest.approx(2 * 3.182 * error)
