from hyperdnn.lab.report import Results, continual_figures


def test_every_array_gets_its_figure(results: Results) -> None:
    titles = [figure.title for figure in continual_figures(results)]
    assert titles == [
        "Accuracy on all tasks learnt so far",
        "Accuracy on each task at the end",
        "Accuracy while learning: hypernet",
        "Accuracy while learning: fine-tuning",
        "Task embeddings: hypernet",
    ]


def test_missing_arrays_leave_their_figures_out(results: Results) -> None:
    assert continual_figures({**results, "arrays": {}}) == []
    only = {"hypernet": {"accuracy_matrix": [], "task_embeddings": [[1.0, 2.0]]}}
    assert [figure.title for figure in continual_figures({**results, "arrays": only})] == ["Task embeddings: hypernet"]


def test_a_sequence_that_stopped_early_is_drawn(results: Results) -> None:
    results["arrays"] = {"hypernet": {"accuracy_matrix": [[0.9, None], [None, None]]}}
    assert len(continual_figures(results)) == 3


def test_inferred_tasks_have_bars_of_their_own(results: Results) -> None:
    results["arrays"]["hypernet"]["inferred_by_task"] = [0.9, 0.8, 0.7]
    titles = [figure.title for figure in continual_figures(results)]
    assert titles[2] == "Accuracy on each task at the end, the task being inferred"
    assert len(titles) == 6
