from hyperdnn.lab.report import Results, multitask_figures

FOUND = {"accuracy_by_task": [0.5, 0.7, 0.9]}


def _with_tasks(results: Results) -> Results:
    arrays = {"hypernet": {**FOUND, "task_embeddings": [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]}, "adapters": FOUND}
    return {**results, "config": {"tasks": ["films", "goods"], "poor": ["news"]}, "arrays": {**arrays, "other": {}}}


def test_tasks_are_named_in_both_figures(results: Results) -> None:
    bars, embeddings = multitask_figures(_with_tasks(results), tasks=("tasks", "poor"))
    assert "1 films, 2 goods, 3 news" in bars.caption
    assert "hypernet, adapters" in bars.alt
    assert "other" not in bars.alt
    assert embeddings.title == "Task embeddings: hypernet"
    assert "3 points" in embeddings.alt


def test_embeddings_of_other_things_are_left_out(results: Results) -> None:
    drawn = multitask_figures(_with_tasks(results), tasks=("tasks", "no such setting"))
    assert [figure.title for figure in drawn] == ["Accuracy on each task"]


def test_without_numbers_there_is_no_figure(results: Results) -> None:
    assert multitask_figures({**results, "arrays": {}}, tasks=("tasks",)) == []
