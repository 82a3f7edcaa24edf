from hyperdnn.lab.report import Results, ranking_figures


def _with_ranks(results: Results) -> Results:
    found = {"hits_by_level": [0.5, 0.7], "mrr_by_relation": [0.6, None, 0.8]}
    return {**results, "arrays": {"hypernet": found, "fine-tuning": found, "other": {}}}


def test_levels_and_relations_are_drawn(results: Results) -> None:
    figures = ranking_figures(_with_ranks(results), baseline="fine-tuning")
    assert [figure.title for figure in figures] == ["Answers among the first few", "Relation by relation"]
    assert "hypernet against fine-tuning" in figures[1].alt
    assert "other" not in figures[0].alt + figures[1].alt


def test_without_the_baseline_relations_are_not_compared(results: Results) -> None:
    assert len(ranking_figures(_with_ranks(results), baseline="not run")) == 1


def test_relations_without_a_number_are_left_out(results: Results) -> None:
    empty = {"mrr_by_relation": [None, None, float("nan")]}
    drawn = ranking_figures({**results, "arrays": {"a": empty, "b": empty}}, baseline="b")
    assert [figure.title for figure in drawn] == ["Relation by relation"]


def test_without_ranks_there_is_no_figure(results: Results) -> None:
    assert ranking_figures({**results, "arrays": {}}, baseline="hypernet") == []
