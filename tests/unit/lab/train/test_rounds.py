import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn.errors import ConfigError
from hyperdnn.lab.baselines import Plain, plain_step
from hyperdnn.lab.data import Split, Task
from hyperdnn.lab.train import (
    Averaging,
    Checkpoints,
    ClientSettings,
    Log,
    Reply,
    Settings,
    State,
    TrainingError,
    rounds,
)
from hyperdnn.lab.train._client import Client, LocalClients
from hyperdnn.lab.train._clients import Sent, seed_of
from hyperdnn.lab.train._server import network_of

LOCAL = ClientSettings(per_round=2, steps=4, batch_size=8, lr=0.2, momentum=0.5)
SERVER = Settings(iterations=30, optimizer="sgd", lr=0.1, momentum=0.9, log_every=5, device="cpu")


def _task(client, samples=24):
    """Clients disagree about the sign of the same feature."""
    generator = torch.Generator().manual_seed(client)
    inputs = torch.randn(samples, 1, 1, 4, generator=generator)
    targets = (inputs[:, 0, 0, 0] * (-1) ** client > 0).long()
    split = Split(stored=inputs, targets=targets, context=client)
    return Task(name=f"client {client}", train=split, validation=split, test=split, classes=2)


TASKS = [_task(client, 16 + 8 * client) for client in range(4)]


def _net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))


def _state(model=None, local=LOCAL, **options):
    model = model or hd.HyperDNN.for_tasks(_net(), num_tasks=4)
    generator = torch.Generator().manual_seed(0)
    return State(model=model, config=SimpleNamespace(client=local), generator=generator, **options)


def _evaluate(model, task):
    batch = task.test[:]
    return {"accuracy": (model(batch.inputs, context=batch.context).argmax(-1) == batch.targets).double().mean().item()}


def _rounds(state, settings=SERVER, tasks=TASKS, *, step=plain_step, log=None, **options):
    return rounds(state, tasks, settings, step=step, evaluate=_evaluate, log=log or Log(), **options)


def test_clients_that_disagree_all_learn():
    outcome = _rounds(_state(), replace(SERVER, iterations=40))
    assert outcome.metrics["accuracy"] > 0.85
    assert outcome.metrics["dropped"] == 0
    assert outcome.metrics["accuracy"] == pytest.approx(sum(outcome.arrays["client_accuracy"]) / 4)
    shared = _rounds(_state(Plain(_net())), replace(SERVER, iterations=15, lr=1.0, momentum=0.0), server=Averaging)
    assert shared.metrics["accuracy"] < 0.75


def test_the_server_moves_by_the_vector_jacobian_product_and_nothing_else():
    state, same = _state(), _state()
    settings = replace(SERVER, iterations=1, clip_norm=0.05)
    _rounds(state, settings)
    model = same.model
    chosen = sorted(torch.randperm(4, generator=torch.Generator().manual_seed(0))[:2].tolist())
    client = Client(network_of(model), same.config, step=plain_step, evaluate=_evaluate)
    generated = {n: w.detach() for n, w in model.generate(torch.tensor(chosen)).items()}
    trained = []
    for place, number in enumerate(chosen):
        sent = Sent(
            client=number, round=0, seed=seed_of(0, 0, number), weights={n: w[place] for n, w in generated.items()}
        )
        trained.append(client.train(sent, TASKS[number], {})[0].change)
    optimizer = settings.make_optimizer(model.parameters())
    vectors = {n: torch.stack([-change[n] for change in trained]) / 2 for n in generated}  # generated minus trained
    hd.hypernet_vjp(model.generate(torch.tensor(chosen)), vectors)
    nn.utils.clip_grad_norm_(model.parameters(), 0.05)
    optimizer.step()
    for (name, mine), (_, theirs) in zip(state.model.named_parameters(), model.named_parameters(), strict=True):
        assert mine.equal(theirs), name
    untouched = set(range(4)) - set(chosen)
    fresh = _state().model.hypernet.encoder.rows
    assert all(state.model.hypernet.encoder.rows[c].equal(fresh[c]) for c in untouched)


def test_a_step_goes_towards_what_clients_trained():
    model = hd.HyperDNN.for_tasks(_net(), num_tasks=4)
    state = _state(model, replace(LOCAL, per_round=1))
    seen = []

    class Watched:
        def train(self, sent):
            seen.append(sent[0])
            change = {name: torch.full_like(w, 0.01) for name, w in sent[0].weights.items()}
            return {sent[0].client: Reply(samples=1, change=change, losses={"loss": 1.0})}

        def evaluate(self, sent):
            return {s.client: {"accuracy": 0.0} for s in sent}

    state.clients = Watched()
    _rounds(state, replace(SERVER, iterations=1, lr=1e-3, momentum=0.0))
    after = model.generate(torch.tensor(seen[0].client))
    moved = torch.cat([(after[name] - w).flatten() for name, w in seen[0].weights.items()])
    assert moved.sum() > 0


def test_averaging_with_a_full_step_is_the_weighted_mean():
    model, local = Plain(_net()), replace(LOCAL, per_round=4)
    start = {name: p.detach().clone() for name, p in model.net.named_parameters()}
    state = _state(model, local)
    client = Client(network_of(model), state.config, step=plain_step, evaluate=_evaluate)
    _rounds(state, replace(SERVER, iterations=1, lr=1.0, momentum=0.0), server=Averaging)
    changes = [
        client.train(Sent(client=c, round=0, seed=seed_of(0, 0, c), weights=start), TASKS[c], {})[0].change
        for c in range(4)
    ]
    sizes = [len(task.train) for task in TASKS]
    for name, parameter in model.net.named_parameters():
        mean = sum(n * (start[name] + change[name]) for n, change in zip(sizes, changes, strict=True)) / sum(sizes)
        assert torch.allclose(parameter, mean, atol=1e-6)


def test_replies_may_come_in_any_order():
    class Backwards:
        def __init__(self, state):
            client = Client(network_of(state.model), state.config, step=plain_step, evaluate=_evaluate)
            self.clients = LocalClients(client, TASKS, {})

        def train(self, sent):
            return dict(reversed(self.clients.train(sent).items()))

        def evaluate(self, sent):
            return dict(reversed(self.clients.evaluate(sent).items()))

    local = replace(LOCAL, per_round=3)
    here, there = _state(local=local), _state(local=local)
    there.clients = Backwards(there)
    short = replace(SERVER, iterations=4)
    assert _rounds(here, short) == _rounds(there, short)
    assert all(tensor.equal(there.model.state_dict()[name]) for name, tensor in here.model.state_dict().items())


def test_kept_parts_stay_with_each_client_and_the_server_never_moves_them():
    model = hd.HyperDNN.for_tasks(_net(), num_tasks=4, select="1.*")
    before = [p.detach().clone() for p in model.target.parameters()]
    state = _state(model)
    outcome = _rounds(state, replace(SERVER, iterations=10, weight_decay=0.1))
    assert all(p.equal(b) for p, b in zip(model.target.parameters(), before, strict=True))
    own = state.record["own"]
    assert sorted(own) == [0, 1, 2, 3]
    assert not own[0]["module.3.weight"].equal(own[1]["module.3.weight"])
    assert outcome.metrics["bytes_per_exchange"] == 2 * 4 * (4 * 5 + 5)


def test_what_travels_does_not_grow_with_the_hypernet():
    sizes = {
        hidden: _rounds(
            _state(hd.HyperDNN.for_tasks(_net(), num_tasks=4, hidden=hidden)), replace(SERVER, iterations=2)
        ).metrics["bytes_per_exchange"]
        for hidden in (16, 64)
    }
    assert sizes == dict.fromkeys((16, 64), 2 * 4 * (4 * 5 + 5 + 5 * 2 + 2))


def test_all_clients_are_evaluated_every_so_often_and_at_the_end(tmp_path):
    path = tmp_path / "metrics.jsonl"
    outcome = _rounds(_state(local=replace(LOCAL, evaluate_every=10)), log=Log(path))
    assert outcome.arrays["evaluated_after"] == [10, 20, 30]
    assert outcome.arrays["mean_accuracy"][-1] == outcome.metrics["accuracy"]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    measured = [(line["step"], line["metrics"]["accuracy"]) for line in lines if "metrics" in line]
    assert measured == list(zip([10, 20, 30], outcome.arrays["mean_accuracy"], strict=True))
    losses = [line["losses"] for line in lines if "losses" in line]
    assert len(losses) == 6
    assert set(losses[0]) == {"loss", "change", "dropped"}
    quiet = _rounds(_state())
    assert quiet.metrics == outcome.metrics  # looking changes nothing


@pytest.mark.parametrize("model", [lambda: Plain(_net()), lambda: hd.HyperDNN.for_tasks(_net(), num_tasks=4)])
def test_mixed_precision_is_the_servers_alone(model):
    server = Averaging if isinstance(model(), Plain) else hd.lab.train.Generating
    types, sent = set(), set()

    def step(model, batch, state):
        types.add(model(batch.inputs, context=batch.context).dtype)
        return plain_step(model, batch, state)

    def evaluate(model, task):
        types.add(model(task.test[:].inputs, context=task.test[:].context).dtype)
        sent.add(bool((model.received["1.weight"].bfloat16() == model.received["1.weight"]).all()))
        return _evaluate(model, task)

    settings, local = replace(SERVER, iterations=3, precision="bf16-mixed"), replace(LOCAL, evaluate_every=1)
    generator = torch.Generator().manual_seed(0)
    state = State(model=model(), config=SimpleNamespace(client=local), generator=generator)
    outcome = rounds(state, TASKS, settings, step=step, evaluate=evaluate, log=Log(), server=server)
    assert types == {torch.float32}
    assert len(sent) == 1  # in the middle as at the end
    assert outcome.metrics["accuracy"] > 0


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("at", [3, 11, 12])
def test_a_killed_loop_ends_as_if_it_had_been_let_be(tmp_path, at):
    def noisy(model, batch, state, *, until=None):
        if until is not None and state.step >= until * LOCAL.steps:
            raise KilledError
        noise = 0.1 * np.random.random() + 0.1 * torch.rand(())
        return {"loss": F.cross_entropy(model(batch.inputs + noise, context=batch.context), batch.targets)}

    def train(folder, step):
        kept = Checkpoints(folder / "kept")
        torch.manual_seed(5)
        model = hd.HyperDNN.for_tasks(_net(), num_tasks=4, select="1.*")
        local = replace(LOCAL, evaluate_every=4)
        state = _state(model, local, checkpoints=kept, resumed=kept.latest())
        log = Log(folder / "metrics.jsonl")
        outcome = _rounds(state, replace(SERVER, iterations=14, checkpoint_every=4), step=step, log=log)
        return outcome, model.state_dict(), state.record, (folder / "metrics.jsonl").read_text()

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = train(tmp_path / "whole", noisy)
    with pytest.raises(KilledError):
        train(tmp_path / "killed", lambda *parts: noisy(*parts, until=at))
    again = train(tmp_path / "killed", noisy)
    assert again[0] == whole[0]
    assert again[3] == whole[3]
    assert all(tensor.equal(whole[1][name]) for name, tensor in again[1].items())
    for client, own in whole[2]["own"].items():
        assert all(tensor.equal(again[2]["own"][client][name]) for name, tensor in own.items())


def test_a_client_that_leaves_the_numbers_is_refused_and_the_others_learn(tmp_path):
    def step(model, batch, state):
        losses = plain_step(model, batch, state)
        return {"loss": losses["loss"] * float("nan")} if state.task == 1 else losses

    log = Log(tmp_path / "metrics.jsonl")
    state = _state(local=replace(LOCAL, per_round=4))
    outcome = _rounds(state, replace(SERVER, iterations=5), step=step, log=log)
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    dropped = [line["dropped"] for line in lines if "dropped" in line]
    assert [line["client"] for line in dropped] == [1] * 5
    assert dropped[0]["reason"].startswith("its change of '1.weight' is not finite")
    assert outcome.metrics["dropped"] == 5
    assert all(p.isfinite().all() for p in state.model.parameters())
    with pytest.raises(TrainingError, match=r"all 1 clients of round 0 dropped out; client \d: its change of"):
        _rounds(_state(local=replace(LOCAL, per_round=1)), step=lambda m, b, s: {"loss": m(b.inputs).sum() * np.nan})


def test_a_server_that_leaves_the_numbers_is_not_taken_for_its_clients():
    with pytest.raises(TrainingError, match=r"the server's '.*' is not finite in round 1, and was not sent. Lower"):
        _rounds(_state(), replace(SERVER, lr=1e38, momentum=0.0))


def test_the_model_is_left_to_be_used():
    state = _state()
    _rounds(state, replace(SERVER, iterations=1))
    assert not state.model.training


def test_metrics_that_are_no_numbers_are_refused():
    def evaluate(model, task):
        number = float("nan") if task.train.context in odd else 0.5
        return {"accuracy": number, f"of {task.train.context}": 1.0}

    odd = {2}
    parts = {"step": plain_step, "log": Log()}
    outcome = rounds(_state(), TASKS, replace(SERVER, iterations=1), evaluate=evaluate, **parts)
    assert outcome.arrays["client_accuracy"] == [0.5, 0.5, None, 0.5]
    assert outcome.arrays["client_of 1"] == [None, 1.0, None, None]
    assert outcome.metrics["dropped"] == 1
    assert "of 2" not in outcome.metrics
    odd = {0, 1, 2, 3}
    with pytest.raises(TrainingError, match="no client could be evaluated after 1 rounds; client 3: its 'accuracy' is"):
        rounds(_state(), TASKS, replace(SERVER, iterations=1), evaluate=evaluate, **parts)


@pytest.mark.parametrize(
    ("tasks", "local", "settings", "message"),
    [
        ([], LOCAL, SERVER, "there are no clients"),
        (TASKS, replace(LOCAL, per_round=5), SERVER, "client.per_round: 5 clients in a round, but there are 4"),
        ([*TASKS, _task(4, 0)], LOCAL, SERVER, r"client 4 \('client 4'\) has no train data. Deal out to fewer"),
        (TASKS, LOCAL, replace(SERVER, accumulate=2), "train.accumulate: 2, but one round makes one step"),
        (TASKS, None, SERVER, "rounds needs settings for clients"),
    ],
)
def test_what_cannot_be_trained_is_said_before_it_begins(tasks, local, settings, message):
    with pytest.raises(ConfigError, match=message):
        _rounds(_state(local=local), settings, tasks)


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match=r"rounds trains a HyperDNN, or baselines.Plain"):
        _rounds(_state(nn.Linear(2, 2)))
