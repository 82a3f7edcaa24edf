import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn.errors import ConfigError
from hyperdnn.lab.train import Log, State, TrainingError
from hyperdnn.lab.train._engine import Engine


def _optimise(state, settings, step, task, iterations=5):
    Engine(state, settings).optimise(
        step, partial(task.train.sample, settings.batch_size), iterations=iterations, log=Log()
    )


def test_the_loss_falls(state, settings, step, tasks):
    seen = []

    def watched(model, batch, state):
        losses = step(model, batch, state)
        seen.append(losses["loss"].item())
        return losses

    _optimise(state, settings, watched, tasks[0], iterations=40)
    assert state.step == len(seen) == 40
    assert sum(seen[-5:]) < 0.6 * sum(seen[:5])


def test_the_same_seed_gives_the_same_model(state, settings, step, tasks):
    start = {name: p.clone() for name, p in state.model.state_dict().items()}
    _optimise(state, settings, step, tasks[0])
    first = {name: p.clone() for name, p in state.model.state_dict().items()}
    state.model.load_state_dict(start)
    again = State(model=state.model, config=None, generator=torch.Generator().manual_seed(0))
    _optimise(again, settings, step, tasks[0])
    torch.testing.assert_close(again.model.state_dict(), first, rtol=0, atol=0)


def test_every_call_has_a_fresh_optimizer_and_leaves_it_in_the_state(state, settings, step, tasks):
    engine = Engine(state, settings)
    optimizers = []
    for _ in range(2):
        engine.optimise(step, partial(tasks[0].train.sample, 4), iterations=3, log=Log())
        optimizers.append(state.optimizer)
        assert {int(moments["step"]) for moments in state.optimizer.state.values()} == {3}
    assert optimizers[0] is not optimizers[1]


@pytest.mark.parametrize("batches", [1, 3])
def test_the_mean_gradient_of_some_batches_makes_one_step(state, settings, step, tasks, batches, tmp_path):
    sgd = replace(settings, optimizer="sgd", lr=0.5, accumulate=batches, log_every=1)
    layer, before = state.model[1], [p.detach().double() for p in state.model.parameters()]
    generator = torch.Generator().manual_seed(0)
    drawn = [tasks[0].train.sample(4, generator=generator) for _ in range(batches)]
    weight, bias = (p.clone().requires_grad_() for p in before)
    losses = [F.cross_entropy(b.inputs.flatten(1).double() @ weight.T + bias, b.targets) for b in drawn]
    gradients = torch.autograd.grad(torch.stack(losses).mean(), (weight, bias))
    log = Log(tmp_path / "metrics.jsonl")
    Engine(state, sgd).optimise(step, partial(tasks[0].train.sample, 4), iterations=1, log=log)
    for parameter, start, gradient in zip(layer.parameters(), before, gradients, strict=True):
        torch.testing.assert_close(parameter.double(), start - 0.5 * gradient, rtol=1e-5, atol=1e-6)
    assert state.step == 1
    logged = json.loads((tmp_path / "metrics.jsonl").read_text())["losses"]
    assert logged["loss"] == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)


def test_gradients_are_clipped(state, settings, step, tasks):
    def steep(model, batch, state):
        return {"loss": 1e3 * step(model, batch, state)["loss"]}

    sgd = replace(settings, optimizer="sgd", lr=1.0, clip_norm=0.5)
    before = [p.detach().clone() for p in state.model.parameters()]
    _optimise(state, sgd, steep, tasks[0], iterations=1)
    moved = [(p.detach() - b).norm() for p, b in zip(state.model.parameters(), before, strict=True)]
    assert torch.stack(moved).norm().item() == pytest.approx(0.5, rel=1e-4)


def test_a_loss_that_is_not_finite_is_named_with_its_step(state, settings, step, tasks):
    def diverging(model, batch, state):
        losses = step(model, batch, state)
        return {**losses, "loss": losses["loss"] * (torch.nan if state.step == 3 else 1.0)}

    state.task = 2
    with pytest.raises(TrainingError, match=r"not finite at step 3 of task 2 \(loss nan, task 0\.\d+\).*train\.lr"):
        _optimise(state, settings, diverging, tasks[0])
    assert all(p.isfinite().all() for p in state.model.parameters())


def test_a_gradient_that_is_not_finite_is_named_before_the_step_is_taken(state, settings, step, tasks):
    def steep(model, batch, state):
        return {"loss": step(model, batch, state)["loss"] + model[1].bias.square().sqrt().sum()}

    with torch.no_grad():
        state.model[1].bias.zero_()  # where the root has no derivative
    before = [p.detach().clone() for p in state.model.parameters()]
    with pytest.raises(
        TrainingError, match=r"gradient is not finite at step 0 of task 0.*step was not taken.*train\.lr"
    ):
        _optimise(state, replace(settings, clip_norm=1.0), steep, tasks[0])
    assert all(p.equal(b) for p, b in zip(state.model.parameters(), before, strict=True))


def test_a_step_without_loss_is_named(state, settings, tasks):
    with pytest.raises(ConfigError, match=r"returned \['lost'\]: expected 'loss'"):
        _optimise(state, settings, lambda model, batch, state: {"lost": torch.zeros(())}, tasks[0])


def test_training_and_evaluation_modes_are_set(state, settings, step, tasks):
    modes = []

    def watched(model, batch, state):
        modes.append(state.model.training)
        return step(model, batch, state)

    _optimise(state, settings, watched, tasks[0], iterations=1)

    def evaluate(model, task):
        modes.extend([model.training, torch.is_grad_enabled()])
        return {"accuracy": 1.0}

    assert Engine(state, settings).evaluate(evaluate, tasks[0]) == {"accuracy": 1.0}
    assert modes == [True, False, False]


def test_a_step_may_use_the_verbs_of_a_hyperdnn(settings, tasks):
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    model = hd.HyperDNN.for_tasks(net, num_tasks=3, hidden=8, features=4)
    state = State(model=model, config=None, generator=torch.Generator().manual_seed(0))

    def step(model, batch, state):
        weights = model.generate(batch.context)
        return {"loss": F.cross_entropy(model.call(weights, batch.inputs), batch.targets)}

    before = [p.detach().clone() for p in model.parameters()]
    _optimise(state, settings, step, tasks[1])
    moved = {n for (n, p), b in zip(model.named_parameters(), before, strict=True) if not p.equal(b)}
    assert "hypernet.encoder.rows.1" in moved
    assert moved.isdisjoint({"hypernet.encoder.rows.0", "hypernet.encoder.rows.2"})


def test_mixed_precision_reaches_every_part_of_a_step(state, settings, tasks):
    dtypes = []

    def step(model, batch, state):
        output = model(batch.inputs)
        dtypes.extend([(batch.inputs.flatten(1) @ batch.inputs.flatten(1).T).dtype, next(model.parameters()).dtype])
        return {"loss": F.cross_entropy(output, batch.targets)}

    _optimise(state, replace(settings, precision="bf16-mixed"), step, tasks[0], iterations=1)
    assert dtypes == [torch.bfloat16, torch.float32]


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has the device that is to be absent")
def test_a_device_that_is_absent_is_named(state, settings):
    with pytest.raises(ConfigError, match=r"train\.device: 'mps' is not available on this machine"):
        Engine(state, replace(settings, device="mps"))
