from collections import Counter

import pytest

from hyperdnn.lab.train import Log, joint


def test_batches_come_from_all_tasks_in_as_many_iterations_as_a_sequence_has(state, settings, step, evaluate, tasks):
    contexts = Counter()

    def watched(model, batch, state):
        contexts[int(batch.context)] += 1
        return step(model, batch, state)

    joint(state, tasks, settings, step=watched, evaluate=evaluate, log=Log())
    assert state.step == contexts.total() == 3 * settings.iterations
    assert min(contexts[task] for task in range(3)) > 0.6 * settings.iterations


def test_metrics_are_means_over_tasks(state, settings, step, evaluate, tasks):
    outcome = joint(state, tasks, settings, step=step, evaluate=evaluate, log=Log())
    expected = sum(evaluate(state.model, task)["accuracy"] for task in tasks) / 3
    assert outcome.metrics == {"final_accuracy": pytest.approx(expected)}
