from hyperdnn.lab import report
from hyperdnn.lab.report import Results


def with_arrays(results: Results, arrays: dict) -> Results:
    return {**results, "arrays": arrays}


LEARNING = {"trained_for": [0, 10], "seen": [5, 15], "curve_scores": [[0.0, 0.5], [0.75, 1.0]]}
GRADIENTS = {"trained_for": [0, 10], "seen": [5, 5], "curve_scores": [[1.0], [1.0]], "curve_cosine": [0.1, 0.9]}


def test_agents_that_act_have_a_curve(results: Results) -> None:
    (figure,) = report.rollout_figures(with_arrays(results, {"one": LEARNING, "other": LEARNING}))
    assert figure.title == "Learning from experience"
    assert "one, other" in figure.alt
    assert "steps in the environment" in str(figure.image)


def test_gradients_have_theirs_and_a_score_that_cannot_change_has_none(results: Results) -> None:
    (figure,) = report.rollout_figures(with_arrays(results, {"one": GRADIENTS}))
    assert "cosine" in str(figure.image)


def test_both_and_neither(results: Results) -> None:
    both = {"one": {**GRADIENTS, "seen": [5, 15]}}
    assert len(report.rollout_figures(with_arrays(results, both))) == 2
    assert report.rollout_figures(with_arrays(results, {"one": {}})) == []
