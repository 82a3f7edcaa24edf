from hyperdnn.lab.report import Results, effect_figures, summarise


def _with_effects(results: Results) -> Results:
    found = {"true_effect": [1.0, 2.0], "estimated_effect": [1.5, 1.5]}
    arrays = {"hypernet": found, "fine-tuning": {}}
    metrics = {variant: {"standard_pehe": summarise([0.4, 0.5])} for variant in arrays}
    return {**results, "arrays": arrays, "metrics": metrics}


def test_variants_with_effects_are_drawn(results: Results) -> None:
    figures = effect_figures(_with_effects(results), shown=("hypernet", "fine-tuning", "not run"))
    assert [figure.title for figure in figures] == ["Effects of single units", "Errors seed by seed"]
    assert all("hypernet" in figure.alt and "fine-tuning" not in figure.alt for figure in figures)


def test_without_effects_there_is_no_figure(results: Results) -> None:
    assert effect_figures(_with_effects(results), shown=("fine-tuning",)) == []
    assert effect_figures({**results, "arrays": {}}, shown=("hypernet",)) == []
