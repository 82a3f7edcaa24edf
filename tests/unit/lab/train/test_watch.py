import json
import math
import re
import warnings
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, init, lab
from hyperdnn.errors import GeneratorWarning
from hyperdnn.lab import data
from hyperdnn.lab._discover import configuration
from hyperdnn.lab.train import Log, Settings, State, TrainingError, joint
from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._watch import Watch


def _model(encoder=None):
    torch.manual_seed(1)
    target = hd.Target(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
    encoder = encoders.Table(3, 6) if encoder is None else encoder
    hypernet = hd.Hypernet(encoder=encoder, body=bodies.MLP(6, 8), head=heads.FullHead(8, target.layout))
    return hd.HyperDNN(target, hypernet)


def _state(model):
    return State(model=model, config=SimpleNamespace(), generator=torch.Generator().manual_seed(0))


def _step(model, batch, state):
    return {"loss": F.cross_entropy(model(batch.inputs, context=batch.context), batch.targets)}


def _silence(model):
    with torch.no_grad():
        model.hypernet.body.layers[0].bias.fill_(-100.0)


def _optimise(engine, step, task, iterations=8, log=None):
    engine.optimise(step, partial(task.train.sample, 16), iterations=iterations, log=log or Log())


@contextmanager
def _told():
    """What generators are said to suffer from."""
    told = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GeneratorWarning)
        yield told
    assert all(warning.category is GeneratorWarning for warning in caught)
    told += [str(warning.message) for warning in caught]


@pytest.fixture
def often(settings):
    """A look at every step."""
    return replace(settings, log_every=1)


def test_a_dead_generator_is_told_of_once(often, tasks, tmp_path):
    model = _model()
    _silence(model)
    engine, path = Engine(_state(model), often), tmp_path / "metrics.jsonl"
    with _told() as told:
        _optimise(engine, _step, tasks[0], log=Log(path))
        _optimise(engine, _step, tasks[1], log=Log(path))
    assert told[0].startswith("step 1 of task 0: the generator is dead: its weights are the same for all 3 contexts")
    assert "lower learning rate" in told[0]
    assert [text.partition(": ")[2][:12] for text in told] == ["the generato", "100% of the ", "the hypernet"]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [line["warning"]["ailment"] for line in lines if "warning" in line]
    assert kept == ["dead", "inactive", "no gradient"]


def test_a_healthy_run_is_told_nothing(often, tasks):
    calm = replace(often, lr=0.003)
    _optimise(Engine(_state(_model()), calm), _step, tasks[0], iterations=30)  # a warning would be an error here


def test_the_tiny_demo_is_told_nothing(tmp_path):
    config = configuration("continual/task_conditioned", "tiny")
    config = replace(config, train=replace(config.train, log_every=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", GeneratorWarning)
        lab.run("continual/task_conditioned", config, folder=tmp_path, seeds=[0], variants=["hypernet"])
    assert '"warning"' not in (tmp_path / "metrics.jsonl").read_text()


def _chunked(rule, tasks):
    torch.manual_seed(0)
    target = hd.Target(nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)))
    head = heads.ChunkedHead(32, target.layout, 256, init=rule)
    slots = encoders.Slots(head.slots, 16)
    hypernet = hd.Hypernet(encoder=encoders.Table(tasks, 16), slots=slots, body=bodies.MLP(32, 32, 32), head=head)
    return hd.HyperDNN(target, hypernet)


def _evaluate(model, task):
    batch = task.test[:]
    return {"accuracy": (model(batch.inputs, context=batch.context).argmax(-1) == batch.targets).float().mean().item()}


def test_clipping_keeps_a_hypernet_alive_that_explodes_without():
    """Ordinary linear layers as a head, and a learning rate that is too large for them."""
    tasks = data.permuted(data.load("digits"), tasks=3, seed=0)
    settings = Settings(iterations=60, batch_size=64, optimizer="sgd", lr=0.1, log_every=1, device="cpu")
    train = partial(joint, step=_step, evaluate=_evaluate, log=Log())
    first = r"not finite at step \d+ of task 0 .* came first: .*train\.clip_generated"
    with _told() as told, pytest.raises(TrainingError, match=first):
        train(_state(_chunked(init.naive, 3)), tasks, settings)
    assert re.search(r"weights explode: .* Lower the learning rate, .*train\.clip_generated", told[0])
    outcome = train(_state(_chunked(init.naive, 3)), tasks, replace(settings, clip_generated=1.0, log_every=50))
    assert outcome.metrics["final_accuracy"] > 0.6


def test_the_gradient_that_enters_the_hypernet_is_clipped(settings, tasks):
    def steep(model, batch, state):
        return {"loss": 1e3 * _step(model, batch, state)["loss"]}

    def by_hand(model, batch, state):
        weights = hd.clip_gradient(model.generate(batch.context), model.target.layout, 0.25)
        return {"loss": 1e3 * F.cross_entropy(model.call(weights, batch.inputs), batch.targets)}

    sgd = replace(settings, optimizer="sgd", lr=0.1)
    models = [_model(), _model(), _model()]
    _optimise(Engine(_state(models[0]), replace(sgd, clip_generated=0.25)), steep, tasks[0], iterations=3)
    _optimise(Engine(_state(models[1]), sgd), by_hand, tasks[0], iterations=3)
    torch.testing.assert_close(models[0].state_dict(), models[1].state_dict(), rtol=0, atol=0)
    with _told() as told:
        _optimise(Engine(_state(models[2]), sgd), steep, tasks[0], iterations=3)
    assert "weights explode" in told[0]
    assert not torch.allclose(models[0].hypernet.head.linear.weight, models[2].hypernet.head.linear.weight)


def test_a_model_without_hypernet_is_left_alone(state, settings, step, tasks):
    _optimise(Engine(state, replace(settings, clip_generated=0.1)), step, tasks[0])
    assert state.step == 8


def test_every_hypernet_inside_a_model_is_watched(often, tasks):
    pair = nn.ModuleDict({"actor": _model(), "critic": _model()})
    _silence(pair["critic"])

    def step(model, batch, state):
        return {"loss": sum(_step(part, batch, state)["loss"] for part in model.values())}

    with _told() as told:
        _optimise(Engine(_state(pair), often), step, tasks[0], iterations=3)
    assert told
    assert all("of task 0, critic: " in text for text in told)


def test_what_is_generated_inside_a_transform_is_not_kept(often, tasks):
    model = _model(encoders.Vector(6))
    engine = Engine(_state(model), often)

    def step(model, batch, state):
        slope = torch.vmap(torch.func.grad(lambda context: model(batch.inputs, context=context).square().mean()))
        moved = slope(torch.ones(3, 6)).square().mean()
        assert engine.watch.generated == {}
        return {"loss": moved}

    _optimise(engine, step, tasks[0], iterations=2)


def test_nothing_stays_behind(often, tasks):
    model = _model()
    engine = Engine(_state(model), often)
    _optimise(engine, _step, tasks[0])
    with pytest.raises(TrainingError):
        _optimise(engine, lambda *_: {"loss": _step(*_)["loss"] * math.nan}, tasks[0])
    assert not any(part._forward_hooks for part in model.modules())
    assert engine.watch.generated == {}


def test_looking_changes_nothing_of_the_training(settings, tasks):
    models = [_model(), _model()]
    for model, every in zip(models, (1, 1000), strict=True):
        torch.manual_seed(5)
        _optimise(Engine(_state(model), replace(settings, log_every=every)), _step, tasks[0])
    torch.testing.assert_close(models[0].state_dict(), models[1].state_dict(), rtol=0, atol=0)


def _looked_at(model, contexts, often, task, paired=False):
    """Train with these contexts in turn."""
    turn = iter(contexts)

    def step(model, batch, state):
        run = model.paired if paired else model
        return {"loss": F.cross_entropy(run(batch.inputs, context=next(turn)), batch.targets)}

    _optimise(Engine(_state(model), often), step, task, iterations=len(contexts))


def test_steps_with_one_context_are_compared_with_earlier_ones(often, tasks):
    contexts = [torch.randn(6) for _ in range(4)]
    _looked_at(_model(encoders.Vector(6)), contexts, often, tasks[0])
    model = _model(encoders.Vector(6))
    _silence(model)
    with _told() as told:
        _looked_at(model, contexts, often, tasks[0])
    assert told[0].startswith("step 2 of task 0: the generator is dead")


def test_equal_contexts_are_no_alarm(often, tasks):
    _looked_at(_model(encoders.Vector(6)), [torch.ones(16, 6)] * 3, often, tasks[0], paired=True)
    _looked_at(_model(encoders.Vector(6)), [torch.ones(6)] * 3, often, tasks[0])


def test_contexts_that_are_trees_are_never_called_dead(often, tasks):
    encoder = encoders.Join(encoders.Vector(3), encoders.Vector(3))
    _looked_at(_model(encoder), [(torch.ones(16, 3), torch.ones(16, 3))] * 3, often, tasks[0], paired=True)


def test_a_batch_without_loss_is_no_alarm_but_two_are(often, tasks):
    def now_and_then(model, batch, state):
        return {"loss": _step(model, batch, state)["loss"] * (state.step % 2)}

    _optimise(Engine(_state(_model()), often), now_and_then, tasks[0])
    with pytest.warns(GeneratorWarning, match=r"step 2 of task 0: the hypernet's gradient is exactly zero"):
        _optimise(Engine(_state(_model()), often), lambda *_: {"loss": 0 * _step(*_)["loss"]}, tasks[0])


def _origin(model, *, step=_step, task=None):
    watch = Watch(model, None)
    with watch.attached():
        step(model, task.train.sample(4, generator=torch.Generator()), None)
        return watch.origin()


def test_what_came_first_is_named(tasks):
    model = _model()
    found = _origin(model, task=tasks[0])
    largest = max(w.abs().max().item() for w in model.generate(torch.tensor(0)).values())
    assert found == (
        "The loss came first: all weights and the last gradients are finite; "
        f"the largest generated weight is {largest:.3g}."
    )
    with torch.no_grad():
        model.hypernet.body.layers[0].weight.fill_(3e38)  # finite, but not what it makes of its inputs
    assert _origin(model, task=tasks[0]).startswith("The generated weights came first: '1.weight' is not finite")
    with torch.no_grad():
        model.hypernet.body.layers[0].weight[0, 0] = math.inf
    assert _origin(model, task=tasks[0]) == (
        "The weights came first: the optimiser's last step left 'hypernet.body.layers.0.weight' not finite."
    )
    model.hypernet.head.linear.bias.grad = torch.full((10,), math.nan)
    assert _origin(model, task=tasks[0]) == (
        "The gradient came first: that of 'hypernet.head.linear.bias' was not finite in the step before."
    )


def test_without_a_hypernet_there_is_no_generated_weight_to_speak_of(state):
    assert Watch(state.model, None).origin() == ("The loss came first: all weights and the last gradients are finite.")


@pytest.mark.parametrize("several", [False, True], ids=["a tensor", "a tree"])
def test_a_context_that_was_computed_under_autocast_is_looked_at(several):
    encoder = encoders.Join(encoders.Vector(4), encoders.Vector(2)) if several else encoders.Vector(6)
    model, embed = _model(encoder), nn.Linear(4, 6)
    state = _state(nn.ModuleList([model, embed]))
    kinds = []

    def step(module, batch, state):
        rows = embed(batch)  # as a backbone computes what a hypernet reads
        kinds.append(rows.dtype)
        context = (rows[..., :4], rows[..., 4:]) if several else rows
        return {"loss": model(batch.unsqueeze(1), context=context).float().square().mean()}

    def draw(*, generator):
        return torch.randn(5, 4, generator=generator)

    with _told() as told:
        settings = Settings(precision="bf16-mixed", log_every=1, checkpoint_every=None, device="cpu")
        Engine(state, settings).optimise(step, draw, iterations=2, log=Log())
    assert kinds == [torch.bfloat16] * 2
    assert told == []
