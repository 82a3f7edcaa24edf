import json
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import compare, figures, page, plan, results, scaling, tables
from hyperdnn.errors import ConfigError

MACHINE = {
    "commit": "0123456789abcdef",
    "versions": {"hyperdnn": "0.1.0", "torch": "2.13.0"},
    "device": "cpu",
    "name": "A processor",
    "cores": 2,
    "load": 0.1,
    "measured": "2026-01-01 00:00 UTC",
}


@pytest.fixture
def measured():
    workload = plan.Workload(
        name="W",
        title="Work",
        lineup=("functional", "hypnettorch", "hyperdnn"),
        limits=(plan.Limit(lineup="hyperdnn", at_most=0.4), plan.Limit(lineup="hyperdnn", at_most=0.6)),
    )
    raw = {
        "lineup": {
            "functional": {"samples_ms": [100.0] * 9, "note": "plain"},
            "hypnettorch": {"absent": "no <such> network"},
            "hyperdnn": {"samples_ms": [50.0] * 9, "note": "", "equal": False},
        },
        "floor": {"floor_ms": 10.0},
        "hardware": None,
        "versions": {"hypnettorch": "0.0.4"},
    }
    return {"comparison": {"machine": MACHINE, "workloads": {"W": compare.summary_of(workload, raw)}}}


@pytest.fixture
def written(measured, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(measured))
    return page.write(path).read_text()


def test_verdicts_say_by_how_much(measured, written):
    missed, reached = tables.verdicts(measured)
    assert missed == ("Work", "hyperdnn", "time / torch.func", "≤ 0.4", "0.500 (0.500 to 0.500)", "missed by 25 %")
    assert reached[-1] == "reached"
    assert "1 of 2 figures reached" in written
    assert "missed by 25 %" in written


def test_bars_share_one_scale(written):
    full = 1.05 * 100
    for share in (100, 50, 10):
        assert f"width:{round(100 * share / full, 2)}%" in written
    assert f"left:{round(100 * 40 / full, 2)}%" in written


def test_what_is_absent_or_different_is_said(written):
    assert "no &lt;such&gt; network" in written
    assert "hyperdnn computes something else" in written
    assert "Left out here: <code>python -m benchmarks.scaling</code>" in written
    assert "for want of one" in written


def test_a_figure_without_numbers_is_left_out():
    point = {"weights": 10, "contexts": 1, "threads": 1, "device": "cpu", "time_ms": 1.0, "peak_mb": None}
    fits = {"time_ms": None, "peak_mb": None}
    curve = {"axis": "size", "fixed": {"contexts": 1}, "points": [point], "fits": fits}
    (figure,) = figures.scaling_figures({"size_1": curve})
    assert figure.title == "Time over generated weights"
    assert figure.caption == "One context."


def test_a_gpu_has_a_section_of_its_own_with_the_share_of_its_limits(tmp_path):
    point = {"weights": 10, "contexts": 1, "chunk": 5, "threads": 1, "device": "cuda"}
    point |= {"cpu_ms": 9.0, "wall_ms": 2.0, "peak_mb": 3.0, "gflop": 50.0, "mbytes": 500.0}
    curve = scaling.Curve(axis="size", values=(10,), fixed={"contexts": 1, "chunk": 5})
    found = scaling.curve_of(curve, lambda at: point, {"gflops": 100_000.0, "gbs": 1000.0})
    section = {"machine": {**MACHINE, "device": "cuda", "name": "A GPU"}, "curves": {"size_1": found}}
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"scaling_cuda": section}))
    text = page.write(path).read_text()
    assert "for want of one" not in text
    assert "<td>cuda</td><td>2.00</td><td>3.00</td><td>25 %</td><td>25 %</td>" in text
    assert "cuda: 100,000 GFLOP/s in products of matrices, 1,000 GB/s in copies" in text
    assert "A GPU" in text


def test_nothing_measured_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="`make bench` makes all"):
        page.write(tmp_path / "results.json")


def test_the_documentation_keeps_what_is_around_its_table(measured, tmp_path):
    docs = tmp_path / "page.md"
    docs.write_text(f"before\n\n{page.BEGIN}\nold\n{page.END}\n\nafter\n")
    page.refresh(docs, measured)
    text = docs.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\n\nafter\n")
    assert "| Work | hyperdnn | time / torch.func |" in text
    assert "old" not in text


def test_documentation_without_marks_is_an_error(measured, tmp_path):
    docs = tmp_path / "page.md"
    docs.write_text("no marks")
    with pytest.raises(ConfigError, match="between which the table goes"):
        page.refresh(docs, measured)


def test_the_smoke_run_measures_and_shows_everything_that_needs_nobody_else(tmp_path):
    command.main(["--smoke", str(tmp_path)])
    curves = results.read(tmp_path / "results.json")["scaling"]["curves"]
    assert set(curves) == {"size_1", "contexts_1", "chunk_1"}
    assert all(point["time_ms"] > 0 for curve in curves.values() for point in curve["points"])
    text = (tmp_path / "index.html").read_text()
    assert text.count("<h3>Time over ") == 3
    assert "Left out here: <code>python -m benchmarks.compare</code>" in text


def test_the_pages_show_the_committed_measurements(tmp_path):
    found = results.read(results.RESULTS)
    copy = tmp_path / "performance.md"
    copy.write_text(page.DOCS.read_text())
    page.refresh(copy, found)
    assert copy.read_text() == page.DOCS.read_text(), "run `python -m benchmarks.page`; the table is not edited by hand"
    shown = Path(results.RESULTS).with_name("index.html").read_text()
    for row in tables.verdicts(found):
        assert row[-2] in shown
