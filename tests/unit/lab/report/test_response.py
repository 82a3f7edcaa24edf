from hyperdnn.lab.report import response_figures


def _results(arrays):
    return {"arrays": arrays}


def test_predictions_of_each_variant_are_beside_what_is_true():
    exact, predicted = [[0.0, 1.0], [1.0, 2.0]], [[0.0, 1.5], [1.0, 1.5]]
    arrays = {"ours": {"exact": exact, "predicted": predicted}, "grid": {"exact": exact, "predicted": predicted}}
    (figure,) = response_figures(_results({**arrays, "many": {}}), hyperparameter="decay", loss="error")
    assert "error over decay for ours, grid, exact" in figure.alt


def test_nothing_predicted_is_said():
    (figure,) = response_figures(_results({"many": {}}), hyperparameter="decay", loss="error")
    assert "no data" in figure.image
