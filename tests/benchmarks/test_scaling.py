import pytest
import torch

from benchmarks import point, scaling

CPU = torch.device("cpu")
LIMITS = {"gflops": 100.0, "gbs": 10.0}


def _point(*, weights, contexts=1, chunk=None, cpu_ms=1.0, peak_mb=1.0, device="cpu", threads=1):
    return {
        "weights": weights,
        "contexts": contexts,
        "chunk": chunk,
        "threads": threads,
        "device": device,
        "cpu_ms": cpu_ms,
        "wall_ms": 2 * cpu_ms,
        "peak_mb": peak_mb,
        "gflop": 1.0,
        "mbytes": 5.0,
    }


def test_only_the_asymptotic_range_is_fitted():
    sizes = (10_000, 1_000_000, *(scaling.FIT_FROM * k for k in (1, 2, 4)))

    def measure(at):
        size = at["size"]
        return _point(weights=size, cpu_ms=7.0 if size < scaling.FIT_FROM else size**1.2, peak_mb=size**0.9)

    found = scaling.curve_of(scaling.Curve(axis="size", values=sizes, fixed={"contexts": 1}), measure, LIMITS)
    assert found["fits"]["time_ms"]["exponent"] == pytest.approx(1.2)
    assert found["fits"]["peak_mb"]["exponent"] == pytest.approx(0.9)
    assert [p["weights"] for p in found["points"]] == list(sizes)


def test_contexts_count_as_often_as_they_generate():
    def measure(at):
        return _point(weights=10_000, contexts=at["contexts"], cpu_ms=at["contexts"] ** 0.5)

    curve = scaling.Curve(axis="contexts", values=(1, 1000, 2000, 4000), fixed={"size": 10_000})
    assert scaling.curve_of(curve, measure, LIMITS)["fits"]["time_ms"]["exponent"] == pytest.approx(0.5)


def test_too_few_points_are_not_fitted():
    curve = scaling.Curve(axis="size", values=(scaling.FIT_FROM, 2 * scaling.FIT_FROM), fixed={})
    found = scaling.curve_of(curve, lambda at: _point(weights=at["size"]), LIMITS)
    assert found["fits"] == {"time_ms": None, "peak_mb": None}


def test_unknown_memory_is_not_fitted():
    curve = scaling.Curve(axis="size", values=[scaling.FIT_FROM * k for k in (1, 2, 3)], fixed={})
    found = scaling.curve_of(curve, lambda at: _point(weights=at["size"], peak_mb=None), LIMITS)
    assert found["fits"]["peak_mb"] is None
    assert found["fits"]["time_ms"] is not None


@pytest.mark.parametrize(("device", "threads", "ms"), [("cpu", 1, 10.0), ("cpu", 2, 20.0), ("cuda", 1, 20.0)])
def test_the_cpu_s_time_counts_with_one_thread_and_the_clock_s_otherwise(device, threads, ms):
    curve = scaling.Curve(axis="size", values=(10,), fixed={})
    measured = _point(weights=10, cpu_ms=10.0, device=device, threads=threads)
    (found,) = scaling.curve_of(curve, lambda at: measured, LIMITS)["points"]
    assert found["time_ms"] == ms
    assert found["of_matrix_limit"] == pytest.approx(1.0 / (ms / 1000) / 100)
    assert found["of_memory_limit"] == pytest.approx(0.005 / (ms / 1000) / 10)


@pytest.mark.parametrize(("contexts", "chunk"), [(1, None), (1, 100), (3, None), (3, 100)])
def test_a_point_says_what_it_measured(contexts, chunk):
    found = point.measure(1000, contexts, chunk, device=CPU, seconds=0.03)
    width = 11  # the nearest to the square root of 1000 / 8
    assert found["weights"] == 8 * (width * width + width)
    assert (found["contexts"], found["chunk"]) == (contexts, chunk)
    assert found["cpu_ms"] > 0
    assert found["wall_ms"] > 0
    assert found["peak_mb"] is None or found["peak_mb"] < 100


def test_least_work_is_counted_by_hand():
    found = point.measure(8, 2, None, device=CPU, seconds=0.03)
    weights, hidden = 8 * 2, point.HIDDEN
    generate = 2 * (16 * hidden + hidden * hidden + hidden * weights)
    assert found["gflop"] == pytest.approx(6 * (generate + 2 * 8 * weights) / 1e9)
    parameters = 16 * hidden + hidden + hidden * hidden + hidden + hidden * weights + weights
    assert found["parameters"] == parameters
    assert found["mbytes"] == pytest.approx(4 * (3 * parameters + 4 * 2 * weights) / 1e6)


def test_curves_cover_what_is_asked_for():
    size, contexts, chunk = scaling.CURVES
    assert (size.values[0], size.values[-1]) == (10**4, 10**8)
    assert (contexts.values[0], contexts.values[-1]) == (1, 4096)
    assert not chunk.linear
    fitted = [value for value in contexts.values if value * contexts.fixed["size"] >= scaling.FIT_FROM]
    assert len(fitted) >= 5
