import json

import pytest
import torch

from hyperdnn.lab.train import Log, sequence


def test_the_matrix_holds_every_seen_task_after_each(state, settings, step, evaluate, tasks):
    outcome = sequence(state, tasks, settings, step=step, evaluate=evaluate, log=Log())
    matrix = outcome.arrays["accuracy_matrix"]
    assert [[cell is None for cell in row] for row in matrix] == [
        [False, True, True],
        [False, False, True],
        [False, False, False],
    ]
    during = [matrix[i][i] for i in range(3)]
    assert min(during) > 0.9
    assert matrix[2][0] < 0.8  # one linear layer cannot keep three different rules
    assert outcome.metrics["during_accuracy"] == pytest.approx(sum(during) / 3)
    assert outcome.metrics["final_accuracy"] == pytest.approx(sum(matrix[2]) / 3)
    assert outcome.metrics["forgetting"] == pytest.approx((sum(during) - sum(matrix[2])) / 3)


def test_each_task_trains_on_its_own_data_with_a_fresh_optimizer(state, settings, step, evaluate, tasks):
    seen = []

    def watched(model, batch, state):
        seen.append((state.task, int(batch.context), state.optimizer))  # kept alive: a freed one's id is used again
        return step(model, batch, state)

    sequence(state, tasks, settings, step=watched, evaluate=evaluate, log=Log())
    assert [task for task, _, _ in seen] == sorted([0, 1, 2] * settings.iterations)
    assert all(task == context for task, context, _ in seen)
    assert len({id(optimizer) for _, _, optimizer in seen}) == 3
    assert state.step == 3 * settings.iterations


def test_the_hook_runs_before_each_task_and_may_freeze(state, settings, step, evaluate, tasks):
    calls = []

    def before_task(model, state):
        calls.append((state.task, state.step, model is state.model))
        model[1].bias.requires_grad_(state.task == 0)
        calls.append(model[1].bias.detach().clone())

    sequence(state, tasks, settings, step=step, evaluate=evaluate, log=Log(), before_task=before_task)
    n = settings.iterations
    assert calls[::2] == [(0, 0, True), (1, n, True), (2, 2 * n, True)]
    assert not calls[1].equal(calls[3])
    assert torch.equal(calls[3], state.model[1].bias)


def test_a_hook_sees_each_task_when_it_has_been_learnt(state, settings, step, evaluate, tasks):
    calls = []

    def after_task(model, task, state):
        calls.append((task.name, state.task, state.step, len(state.record["accuracy_matrix"]), model is state.model))

    sequence(state, tasks, settings, step=step, evaluate=evaluate, log=Log(), after_task=after_task)
    n = settings.iterations
    assert calls == [(task.name, i, (i + 1) * n, i + 1, True) for i, task in enumerate(tasks)]


def test_a_task_is_logged_as_it_ends(state, settings, step, evaluate, tasks, tmp_path):
    path = tmp_path / "metrics.jsonl"
    outcome = sequence(state, tasks, settings, step=step, evaluate=evaluate, log=Log(path))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    measured = [line for line in lines if "metrics" in line]
    assert [line["task"] for line in measured] == [0, 1, 2]
    assert measured[-1]["metrics"]["accuracy"] == pytest.approx(outcome.metrics["final_accuracy"])


def test_a_recipe_may_measure_all_tasks_together_at_the_end(state, settings, step, evaluate, tasks, tmp_path):
    def finish(model, seen):
        assert not model.training
        assert not torch.is_grad_enabled()
        return {"tasks_seen": float(len(seen)), "by_task": [0.0, 1.0, 2.0]}

    log = Log(tmp_path / "metrics.jsonl", labels={})
    outcome = sequence(state, tasks, settings, step=step, evaluate=evaluate, log=log, finish=finish)
    assert outcome.metrics["tasks_seen"] == 3
    assert outcome.metrics.keys() >= {"final_accuracy", "forgetting"}
    assert outcome.arrays["by_task"] == [0.0, 1.0, 2.0]
    assert len(outcome.arrays["accuracy_matrix"]) == 3
    last = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["metrics"] == outcome.metrics
