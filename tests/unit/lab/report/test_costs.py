import math

import pytest

from hyperdnn.lab.report import Results, cost_figures


def test_a_point_for_each_network_and_a_name_for_each_variant(results: Results) -> None:
    arrays = {
        "searched": {"by_cost": [[0.3, 0.5]], "others_by_cost": [[0.28, 0.4], [0.29, 0.45]]},
        "uniform": {"by_cost": [[0.3, 0.48], [0.3, 0.47]]},
        "something else": {"curve": [1.0]},
    }
    (figure,) = cost_figures({**results, "arrays": arrays}, cost="MACs (million)")
    for text in ("searched", "uniform", "MACs (million)", "accuracy (%)"):
        assert text in figure.image
    assert "something else" not in figure.image + figure.alt
    arrays["searched"]["others_by_cost"] = []
    (fewer,) = cost_figures({**results, "arrays": arrays}, cost="MACs (million)")
    assert len(fewer.image) < len(figure.image)


def test_nothing_to_show_is_no_figure(results: Results) -> None:
    assert cost_figures(results, cost="seconds") == []
    assert cost_figures({**results, "arrays": {"a": {"by_cost": []}}}, cost="seconds") == []


@pytest.mark.parametrize("missing", [None, math.nan])
def test_points_without_a_number_are_left_out(results: Results, missing: float | None) -> None:
    (figure,) = cost_figures({**results, "arrays": {"a": {"by_cost": [[0.3, missing]]}}}, cost="seconds")
    assert "no data" in figure.image
