import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.cli._choose import choose, inputs_for
from hyperdnn.cli._usage import UsageError
from hyperdnn.inspect import Probe
from hyperdnn.lab import View


def _tasks(names=("task 0", "Task one", "task 2"), rows: int = 5) -> View:
    model = hd.HyperDNN.for_tasks(nn.Linear(3, 2), rows)
    probes = [Probe(name="anyone's", inputs=torch.ones(4, 3)), Probe(name="two's", inputs=torch.ones(6, 3), context=2)]
    return View(model=model, contexts=torch.arange(len(names)), names=names, context="task", probes=probes)


def _vectors() -> View:
    model = hd.HyperDNN.for_vectors(nn.Linear(3, 2), 2)
    return View(
        model=model,
        contexts=torch.rand(4, 2),
        names=["a", "b", "c", "d"],
        context="preference",
        coordinates=["cost", "comfort"],
    )


@pytest.mark.parametrize(
    ("text", "name", "index"),
    [
        ("task 2", "task 2", 2),
        ("TASK ONE", "Task one", 1),
        ("1", "Task one", 1),
        ("4", "task 4", 4),
        ("+0", "task 0", 0),
    ],
)
def test_names_and_numbers(text: str, name: str, index: int) -> None:
    chosen = choose(_tasks(), text)
    assert (chosen.name, chosen.number) == (name, index if index < 3 else None)
    assert torch.equal(chosen.context, torch.tensor(index))


@pytest.mark.parametrize("text", ["0.25,-0.5", " 0.25 -0.5", "(0.25; -5e-1)", "[0.25, -0.5]"])
def test_numbers_of_a_vector(text: str) -> None:
    chosen = choose(_vectors(), text)
    assert torch.equal(chosen.context, torch.tensor([0.25, -0.5]))
    assert (chosen.name, chosen.number) == ("preference 0.25, -0.5", None)


def test_a_whole_number_is_that_of_a_context_also_where_contexts_are_vectors() -> None:
    view = _vectors()
    assert torch.equal(choose(view, "3").context, view.contexts[3])


def test_equal_names_are_told_apart() -> None:
    assert choose(_tasks(names=("same", "same", "other")), "1").name == "same (1)"


@pytest.mark.parametrize(
    ("view", "text", "words"),
    [
        (_tasks(), "tsk 2", r"no task 'tsk 2'\. Did you mean 'task 2'\? There are 'task 0' to 'task 2' \(3 in all\)"),
        (_tasks(), "", "no task ''"),
        (_tasks(), "5", "--context 5: expected a task's number, from 0 to 4"),
        (_tasks(), "-1", "from 0 to 4"),
        (_tasks(), "0.5,1", "a task is no vector of numbers"),
        (_vectors(), "0.5", r"a preference is 2 numbers \(cost; comfort\), got 1"),
        (_vectors(), "0.5,nan", "expected finite numbers"),
        (_vectors(), "0.5,x", r"no preference '0\.5,x'"),
    ],
)
def test_what_is_no_context(view: View, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        choose(view, text)


def test_inputs_are_the_contexts_own_if_it_has_any() -> None:
    view = _tasks()
    assert inputs_for(view, choose(view, "2"), None)[1] == "6 inputs of 'two's'"
    assert inputs_for(view, choose(view, "1"), None)[1] == "4 inputs of 'anyone's'"
    drawn, words = inputs_for(view, choose(view, "1"), [3])
    assert (tuple(drawn.shape), words) == ((16, 3), "16 drawn inputs of shape (3,)")


def test_without_data_a_shape_is_asked_for() -> None:
    view = _vectors()
    with pytest.raises(UsageError, match=r"no data to compare networks on.*--shape 1,28,28"):
        inputs_for(view, choose(view, "a"), None)
