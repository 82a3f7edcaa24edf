import math
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from hyperdnn.lab.report import Figure, against, bands, bars_by_task, curves, heatmap, scatter2d
from hyperdnn.lab.report._figures import _plane


def words(figure: Figure) -> list[str]:
    """What is written in a figure."""
    assert isinstance(figure.image, str)
    return [
        (element.text or "").strip()
        for element in ET.fromstring(figure.image).iter()
        if element.tag.endswith(("}text", "}tspan"))
    ]


def test_heatmap_writes_each_number_and_leaves_gaps_empty() -> None:
    figure = heatmap([[0.91, math.nan], [0.42, 0.87]], title="Kept")
    assert Counter(words(figure)) >= Counter(["91", "42", "87", "accuracy on task", "after learning task"])
    assert "nan" not in str(figure.image)
    assert figure.alt == "Heat map of 2 by 2 accuracies. Kept."


def test_a_large_heatmap_has_no_room_for_numbers() -> None:
    assert "50" not in words(heatmap([[0.5] * 30] * 30, title="Kept"))


def test_bars_name_each_variant_and_task() -> None:
    figure = bars_by_task({"hypernet": [0.9, None, 0.7], "plain": [0.2, 0.3, 0.9]}, title="End")
    assert {"hypernet", "plain", "1", "2", "3", "accuracy (%)"} <= set(words(figure))
    assert "2 variants (hypernet, plain)" in figure.alt


def test_curves_name_each_line() -> None:
    figure = curves({"a": [1.0, math.nan, 3.0], "b": [2.0]}, title="Loss", xlabel="step", ylabel="loss")
    assert {"a", "b", "step", "loss"} <= set(words(figure))


def test_what_curves_count_is_whole_even_if_it_is_one() -> None:
    figure = curves({"a": [7.25]}, title="Loss", xlabel="seed", ylabel="loss")
    assert [word for word in words(figure) if word.startswith(("0.9", "1.0"))] == []


def test_scatter_labels_each_point_that_has_a_place() -> None:
    figure = scatter2d([[0.0, 1.0], [1.0, None], [2.0, 3.0]], ["one", "two", "three"], title="Plane")
    assert {"one", "three", "first coordinate"} <= set(words(figure))
    assert "two" not in words(figure)
    assert figure.alt.startswith("Scatter plot of 2 points")


def test_wide_points_are_projected_on_their_main_axes() -> None:
    places = _plane([[0.0, 0.0, 0.0], [0.0, 0.0, 4.0], [1.0, 0.0, 2.0], [-1.0, 0.0, 2.0]])
    assert max(x for x, _ in places) - min(x for x, _ in places) == pytest.approx(4.0)
    assert max(y for _, y in places) - min(y for _, y in places) == pytest.approx(2.0)
    figure = scatter2d([[0.0, 1.0, 2.0], [1.0, 0.0, 1.0]], ["1", "2"], title="Plane")
    assert "first principal component" in words(figure)


@pytest.mark.parametrize("point", [[1.0], [1.0, 2.0], [1.0, 2.0, 3.0]])
def test_a_single_point_of_any_width_has_a_place(point: list[float]) -> None:
    assert "only" in words(scatter2d([point], ["only"], title="Plane"))


@pytest.mark.parametrize(
    "figure",
    [
        lambda: heatmap([], title="t"),
        lambda: bars_by_task({}, title="t"),
        lambda: scatter2d([], [], title="t"),
        lambda: curves({}, title="t", xlabel="x", ylabel="y"),
    ],
    ids=["heatmap", "bars", "scatter", "curves"],
)
def test_no_data_is_said(figure: object) -> None:
    assert "no data" in words(figure())  # type: ignore[operator]


@pytest.mark.parametrize("name", ["a <b> & c", "$x$"])
def test_any_name_is_written_as_it_is(name: str) -> None:
    assert name in words(bars_by_task({name: [0.5], "other": [0.6]}, title="t"))


def test_lines_against_the_diagonal_name_themselves() -> None:
    figure = against({"a": [[0.1, 0.3], [0.5, None]], "b": []}, title="Calibration", xlabel="level", ylabel="share")
    assert {"a", "b", "level", "share"} <= set(words(figure))
    assert figure.alt == "share against level for a, b. Calibration."


def test_bands_count_the_samples_that_have_all_numbers() -> None:
    figure = bands([[1.0, 0.1, 0.3, 1.2], [0.0, 0.1, math.nan, 0.2]], title="Predictions")
    assert "of 1 samples" in figure.alt
    assert "standardised target" in words(figure)


def test_without_anything_to_draw_they_say_so() -> None:
    assert "no data" in words(against({}, title="Calibration", xlabel="x", ylabel="y"))
    assert "no data" in words(bands([], title="Predictions"))
