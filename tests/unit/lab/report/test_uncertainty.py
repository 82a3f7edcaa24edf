from hyperdnn.lab.report import Results, uncertainty_figures


def test_every_array_gets_its_figure(results: Results) -> None:
    results["arrays"] = {
        "hypernet": {
            "coverage_curve": [[0.1, 0.2], [0.9, None]],
            "reliability_curve": [[0.5, 0.4]],
            "predictions": [[0.0, 0.1, 0.5, 0.3], [1.0, 0.1, None, 0.3]],
        },
        "plain": {"coverage_curve": [[0.1, 0.0]], "detection_curve": [[0.0, 0.1], [1.0, 1.0]]},
    }
    figures = uncertainty_figures(results)
    assert [figure.title for figure in figures] == [
        "Coverage of central intervals",
        "Accuracy at each confidence",
        "Telling unfamiliar inputs by their predictive entropy",
        "Predictions: hypernet",
    ]
    assert "hypernet, plain" in figures[0].alt
    assert "of 1 samples" in figures[3].alt


def test_missing_arrays_leave_their_figures_out(results: Results) -> None:
    assert uncertainty_figures({**results, "arrays": {}}) == []
    assert uncertainty_figures({**results, "arrays": {"plain": {"coverage_curve": []}}}) == []
