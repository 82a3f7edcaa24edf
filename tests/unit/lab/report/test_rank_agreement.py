import math

from hyperdnn.lab.report import Results, rank_figures, summarise


def _with_scores(results: Results) -> Results:
    found = {"scores": [0.2, 0.3, None, 0.5], "trained": [0.6, 0.7, 0.8, 0.9]}
    metrics = {"hypernet": {"spearman": summarise([0.81, 0.1]), "kendall": summarise([math.nan])}}
    return {**results, "arrays": {"hypernet": found, "other": {"scores": [1.0]}}, "metrics": metrics}


def test_scores_are_drawn_with_the_correlations_of_the_same_seed(results: Results) -> None:
    (figure,) = rank_figures(_with_scores(results), score="validation accuracy")
    assert figure.caption.endswith(" hypernet: Spearman's rho 0.81, Kendall's tau unknown.")
    assert "other" not in figure.alt + figure.caption
    for text in ("hypernet", "validation accuracy", "accuracy when trained"):
        assert text in figure.image


def test_without_metrics_points_are_drawn_all_the_same(results: Results) -> None:
    (figure,) = rank_figures({**_with_scores(results), "metrics": {}})
    assert figure.caption.endswith("the better it ranks.")
    assert "accuracy with generated weights" in figure.image


def test_without_a_point_the_picture_says_so(results: Results) -> None:
    empty = {"scores": [None, math.nan, 1.0], "trained": [1.0, 1.0, None]}
    (figure,) = rank_figures({**results, "arrays": {"hypernet": empty}})
    assert "no data" in figure.image


def test_without_scores_there_is_no_figure(results: Results) -> None:
    assert rank_figures(results) == []
