import pytest
import torch
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train import adapt

TASKS, ROWS, INPUTS = 3, 4, 2


def loss(tensors, x, y):
    return F.mse_loss((x @ tensors["w"]).tanh() + tensors["b"], y)


@pytest.fixture
def start():
    return {
        "w": torch.randn(INPUTS, 1, dtype=torch.float64, requires_grad=True),
        "b": torch.randn(1, dtype=torch.float64, requires_grad=True),
    }


@pytest.fixture
def data():
    return torch.randn(TASKS, ROWS, INPUTS, dtype=torch.float64), torch.randn(TASKS, ROWS, 1, dtype=torch.float64)


def loop(start, data, rates, steps, *, first_order=False):
    """One task after the other, by autograd."""
    out = []
    for x, y in zip(*data, strict=True):
        tensors = dict(start)
        for _ in range(steps):
            gradients = torch.autograd.grad(loss(tensors, x, y), list(tensors.values()), create_graph=not first_order)
            moves = zip(tensors.items(), rates.expand(2), gradients, strict=True)
            tensors = {name: t - rate * g for (name, t), rate, g in moves}
        out.append(tensors)
    return {name: torch.stack([tensors[name] for tensors in out]) for name in start}


def meta_gradient(tensors, data, given):
    x, y = data
    outer = F.mse_loss((x @ tensors["w"]).sin() + tensors["b"].unsqueeze(1), y)
    return torch.autograd.grad(outer, given)


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("rates", [0.3, [0.3, 0.7]])
def test_equals_a_loop_over_tasks(start, data, rates, first_order):
    rates = torch.tensor(rates, dtype=torch.float64, requires_grad=True)
    given = [*start.values(), rates]
    mapped = adapt(loss, start, *data, rates=rates, steps=3, first_order=first_order)
    looped = loop(start, data, rates, 3, first_order=first_order)
    torch.testing.assert_close(mapped[-1], looped)
    for one, other in zip(meta_gradient(mapped[-1], data, given), meta_gradient(looped, data, given), strict=True):
        torch.testing.assert_close(one, other)


def test_the_second_order_gradient_is_that_of_finite_differences(start, data):
    rates = torch.tensor([0.3, 0.2], dtype=torch.float64, requires_grad=True)

    def outer(w, b, rates):
        return adapt(loss, {"w": w, "b": b}, *data, rates=rates, steps=2)[-1]["w"]

    assert torch.autograd.gradcheck(outer, (*start.values(), rates))
    assert torch.autograd.gradgradcheck(outer, (*start.values(), rates))


def test_the_first_order_gradient_is_another_and_passes_the_steps_by(start, data):
    rates = torch.tensor(0.3, dtype=torch.float64)
    exact, first = (
        adapt(loss, start, *data, rates=rates, steps=2, first_order=first_order)[-1]["w"]
        for first_order in (False, True)
    )
    torch.testing.assert_close(exact, first)
    assert torch.autograd.grad(first.sum(), start["w"])[0].equal(torch.full((INPUTS, 1), TASKS, dtype=torch.float64))
    assert not torch.autograd.grad(exact.sum(), start["w"])[0].equal(torch.full((INPUTS, 1), TASKS))


@pytest.mark.parametrize("tasks", [0, 1, 5])
def test_every_step_is_returned(start, tasks):
    data = torch.randn(tasks, ROWS, INPUTS).double(), torch.randn(tasks, ROWS, 1).double()
    after = adapt(loss, start, *data, rates=torch.tensor(0.1), steps=2)
    assert [tuple(tensors["w"].shape) for tensors in after] == [(tasks, INPUTS, 1)] * 3
    assert after[0]["b"].equal(start["b"].expand(tasks, 1))


def test_without_steps_nothing_moves(start, data):
    (only,) = adapt(loss, start, *data, rates=torch.tensor(0.1), steps=0)
    assert only["w"].equal(start["w"].expand(TASKS, INPUTS, 1))


def test_steps_are_taken_where_no_gradient_is_kept(start, data):
    with torch.no_grad():
        after = adapt(loss, start, *data, rates=torch.tensor(0.3), steps=3)
    torch.testing.assert_close(after[-1], loop(start, data, torch.tensor(0.3), 3))
    assert not after[-1]["w"].requires_grad


def test_the_loss_falls(start, data):
    after = adapt(loss, start, *data, rates=torch.tensor(0.1), steps=5)
    losses = [torch.vmap(loss)(tensors, *data).mean().item() for tensors in after]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"start": {}}, "nothing to adapt"),
        ({"data": ()}, "no data"),
        ({"data": (torch.zeros(2, 1), torch.zeros(3, 1))}, r"equally many tasks, got \[2, 3\]"),
        ({"rates": torch.zeros(3)}, r"one rate \(\) or one for each tensor \(2,\), got \(3,\)"),
        ({"steps": -1}, "0 steps or more, got -1"),
    ],
)
def test_what_does_not_fit_is_named(start, data, changes, match):
    given = {"start": start, "data": data, "rates": torch.tensor(0.1), "steps": 1} | changes
    with pytest.raises(ConfigError, match=match):
        adapt(loss, given["start"], *given["data"], rates=given["rates"], steps=given["steps"])
