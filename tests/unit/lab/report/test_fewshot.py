import xml.etree.ElementTree as ET

import pytest

from hyperdnn.lab.report import Results, bars_with_intervals, curves, fewshot_figures, summarise


def words(figure) -> set[str]:
    return {
        (element.text or "").strip()
        for element in ET.fromstring(figure.image).iter()
        if element.tag.endswith(("}text", "}tspan"))
    }


@pytest.fixture
def fewshot(results: Results) -> Results:
    metrics = {"accuracy": summarise([0.8, 0.9]), "accuracy_interval": summarise([0.02, 0.04])}
    arrays = {"rows": {"accuracy_by_step": [0.2, 0.7, 0.85]}, "MAML": {"accuracy_by_step": [0.2, None, 0.9]}, "kNN": {}}
    return {**results, "metrics": dict.fromkeys(("rows", "MAML", "kNN"), metrics), "arrays": arrays}


def test_bars_and_a_curve(fewshot: Results) -> None:
    bars, curve = fewshot_figures(fewshot)
    assert {"rows", "MAML", "kNN", "85.0", "accuracy (%)"} <= words(bars)
    assert {"rows", "MAML", "inner steps", "0", "2"} <= words(curve)
    assert "kNN" not in words(curve)


def test_what_is_missing_is_left_out(fewshot: Results) -> None:
    assert len(fewshot_figures({**fewshot, "arrays": {"rows": {"accuracy_by_step": [0.2]}}})) == 1
    assert fewshot_figures({**fewshot, "arrays": {}, "metrics": {"rows": {"accuracy": summarise([0.5])}}}) == []


def test_intervals_reach_as_far_as_they_should() -> None:
    narrow, wide = (bars_with_intervals({"a": (50.0, half)}, title="t", ylabel="y") for half in (1.0, 20.0))
    assert narrow.image != wide.image
    assert "a" in words(wide)
    assert wide.alt == "Bars with intervals for 1 variants (a). t."


def test_a_value_that_is_missing_leaves_a_gap() -> None:
    assert "nan" not in str(
        bars_with_intervals({"a": (float("nan"), 1.0), "b": (2.0, 1.0)}, title="t", ylabel="y").image
    )
    assert "no data" in words(bars_with_intervals({}, title="t", ylabel="y"))


def test_a_curve_may_begin_at_zero() -> None:
    assert "0" in words(curves({"a": [1.0, 2.0]}, title="t", xlabel="x", ylabel="y", first=0))
    assert "0" not in words(curves({"a": [1.5, 2.0, 2.5]}, title="t", xlabel="x", ylabel="y"))
