import xml.etree.ElementTree as ET

from hyperdnn.lab.report import Results, over_text, text_figures


def words(figure) -> list[str]:
    return [
        (element.text or "").strip()
        for element in ET.fromstring(figure.image).iter()
        if element.tag.endswith(("}text", "}tspan"))
    ]


def _read(results: Results) -> Results:
    scales = [[[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]] for _ in range(4)]
    arrays = {
        "hypernet": {"curve": [4.0, 3.0], "scales_over_text": scales, "text": ["a", " ", "\n"]},
        "same width": {"curve": [4.1, 3.2]},
        "not trained": {"curve": []},
    }
    config = {**results["config"], "train": {"log_every": 50}}
    return {**results, "arrays": arrays, "config": config}


def test_curves_and_scales_are_drawn(results: Results) -> None:
    curves, scales = text_figures(_read(results))
    assert {"hypernet", "same width", "bits per character", "updates, in units of 50"} <= set(words(curves))
    assert "not trained" not in words(curves)
    assert {"enter", "forget", "new", "leave", "a", "␣", "⏎"} <= set(words(scales))
    assert scales.alt == "Heat map of 8 rows over 3 characters. Scales of the recurrent weights' rows: hypernet."


def test_without_arrays_there_is_no_figure(results: Results) -> None:
    assert text_figures({**results, "arrays": {"hypernet": {}}}) == []


def test_groups_may_differ_in_size_and_be_empty() -> None:
    figure = over_text({"one": [[1.0, 2.0]], "two": [[1.0, 2.0], [0.0, 5.0]]}, ["x", "$"], title="T", ylabel="unit")
    assert {"one", "two", "x", "$", "unit"} <= set(words(figure))
    assert "no data" in words(over_text({}, [], title="T", ylabel="unit"))
