from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import CheckpointError, ConfigError
from hyperdnn.lab.baselines import Plain, Separate, plain_step
from hyperdnn.lab.data import Split, Task
from hyperdnn.lab.train import Averaging, Checkpoints, ClientSettings, Log, Returning, Settings, State, rounds
from hyperdnn.lab.train._client import Client
from hyperdnn.lab.train._clients import Sent, seed_of
from hyperdnn.lab.train._server import network_of

LOCAL = ClientSettings(per_round=2, steps=3, batch_size=8, lr=0.2, momentum=0.5, newcomers=2)
SERVER = Settings(iterations=6, optimizer="sgd", lr=0.1, momentum=0.9, log_every=5, device="cpu")
JOIN = replace(SERVER, iterations=20, lr=2.0)


def _task(client):
    """Clients disagree about the sign of the same feature."""
    inputs = torch.randn(24, 1, 1, 4, generator=torch.Generator().manual_seed(client))
    split = Split(stored=inputs, targets=(inputs[:, 0, 0, 0] * (-1) ** client > 0).long(), context=client)
    return Task(name=f"client {client}", train=split, validation=split, test=split, classes=2)


TASKS = [_task(client) for client in range(6)]


def _net():
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))


def _state(model=None, local=LOCAL, **options):
    torch.manual_seed(1)
    model = model or hd.HyperDNN.for_tasks(_net(), num_tasks=6)
    generator = torch.Generator().manual_seed(0)
    return State(model=model, config=SimpleNamespace(client=local, join=JOIN), generator=generator, **options)


def _evaluate(model, task):
    batch = task.test[:]
    return {"accuracy": (model(batch.inputs, context=batch.context).argmax(-1) == batch.targets).double().mean().item()}


def _join(config):
    return config.join


def _rounds(state, settings=SERVER, *, step=plain_step, log=None, **options):
    return rounds(state, TASKS, settings, step=step, evaluate=_evaluate, log=log or Log(), **options)


def test_newcomers_are_away_until_the_others_are_done_and_then_all_train():
    turns = []

    def step(model, batch, state):
        turns.append((state.step // LOCAL.steps, state.task))
        return plain_step(model, batch, state)

    outcome = _rounds(_state(), step=step, join=_join)
    before = {client for number, client in turns if number < 6}
    after = {(number, client) for number, client in turns if number >= 6}
    assert before <= {0, 1, 2, 3}
    assert after == {(number, client) for number in range(6, 26) for client in (4, 5)}
    assert len(outcome.arrays["client_accuracy"]) == 4
    assert len(outcome.arrays["client_new_accuracy"]) == 2
    assert outcome.metrics["new_accuracy"] == pytest.approx(sum(outcome.arrays["client_new_accuracy"]) / 2)


def test_nothing_but_their_contexts_is_fitted():
    alone, joined = _state(), _state()
    outcome = _rounds(alone)
    more = _rounds(joined, join=_join)
    assert "new_accuracy" not in outcome.metrics
    assert more.metrics["accuracy"] == outcome.metrics["accuracy"]
    moved = [
        name
        for (name, mine), theirs in zip(joined.model.named_parameters(), alone.model.parameters(), strict=True)
        if not mine.equal(theirs)
    ]
    assert moved == ["hypernet.encoder.rows.4", "hypernet.encoder.rows.5"]
    assert all(p.requires_grad for p in joined.model.parameters())


def test_fitting_a_context_helps():
    settings = replace(SERVER, iterations=40)
    never = _rounds(_state(), settings, join=lambda config: replace(JOIN, lr=0.0, iterations=1))
    assert _rounds(_state(), settings, join=_join).metrics["new_accuracy"] > never.metrics["new_accuracy"] + 0.1


def test_the_gradient_of_a_newcomer_is_that_of_the_distance_to_what_it_trained():
    join = replace(JOIN, iterations=1, lr=0.3, momentum=0.0)
    before, after = _state(), _state()
    _rounds(before)
    _rounds(after, join=lambda config: join)
    model = before.model
    client = Client(network_of(model), before.config, step=plain_step, evaluate=_evaluate)
    numbers = torch.tensor([4, 5])
    sent = {name: weight.detach() for name, weight in model.generate(numbers).items()}
    distance = torch.zeros(())
    for place, number in enumerate(numbers.tolist()):
        message = Sent(
            client=number, round=6, seed=seed_of(0, 6, number), weights={n: w[place] for n, w in sent.items()}
        )
        change = client.train(message, TASKS[number], {})[0].change
        for name, weight in model.generate(numbers).items():
            trained = sent[name][place] + change[name]
            distance = distance + (trained - weight[place]).square().sum() / 2 / len(numbers)
    rows = [model.hypernet.encoder.rows[number] for number in numbers]
    for row, gradient, moved in zip(
        rows, torch.autograd.grad(distance, rows), after.model.hypernet.encoder.rows[4:], strict=True
    ):
        torch.testing.assert_close(moved, row - 0.3 * gradient)


def test_finetuned_clients_take_as_many_steps_as_in_a_round_and_the_server_learns_nothing():
    plain, tuned = _state(), _state()
    without, outcome = _rounds(plain), _rounds(tuned, finetuned=True)
    assert all(a.equal(b) for a, b in zip(plain.model.parameters(), tuned.model.parameters(), strict=True))
    assert {name: outcome.metrics[name] for name in without.metrics} == without.metrics
    model = plain.model
    client = Client(network_of(model), plain.config, step=plain_step, evaluate=_evaluate)
    expected = []
    for number in range(4):
        weights = {name: weight.detach() for name, weight in model.generate(torch.tensor(number)).items()}
        sent = Sent(client=number, round=6, seed=seed_of(0, 6, number), weights=weights)
        change = client.train(sent, TASKS[number], {})[0].change
        sent = replace(sent, weights={name: weight + change[name] for name, weight in weights.items()})
        expected.append(client.evaluate(sent, TASKS[number], {})["accuracy"])
    assert outcome.arrays["client_finetuned_accuracy"] == expected
    assert outcome.metrics["finetuned_accuracy"] == pytest.approx(sum(expected) / 4)


def test_who_drops_out_while_finetuning_is_not_measured():
    def step(model, batch, state):
        losses = plain_step(model, batch, state)
        return {"loss": losses["loss"] * float("nan")} if state.task == 1 and state.step >= 18 else losses

    outcome = _rounds(_state(), step=step, finetuned=True)
    assert outcome.arrays["client_finetuned_accuracy"][1] is None
    assert outcome.metrics["dropped"] == 1


def test_clients_that_get_back_what_they_trained_learn_alone():
    target = hd.Target(_net())
    state = _state(hd.HyperDNN(target, Separate(6, target.layout)))
    before = {name: weight.detach() for name, weight in state.model.generate(torch.arange(6)).items()}
    seen = {}

    def step(model, batch, state):
        seen[state.task] = model
        return plain_step(model, batch, state)

    _rounds(state, replace(SERVER, iterations=1, lr=1.0, momentum=0.0), step=step, server=Returning)
    after = state.model.generate(torch.arange(6))
    for client in range(6):
        for name, weight in after.items():
            expected = seen[client].weights[name] if client in seen else before[name][client]
            torch.testing.assert_close(weight[client], expected)
    assert len(seen) == 2


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("at", [4, 6, 9])
def test_a_loop_that_was_killed_while_newcomers_came_ends_as_if_it_had_been_let_be(tmp_path, at):
    def killing(model, batch, state, *, until):
        if state.step >= until * LOCAL.steps:
            raise KilledError
        return plain_step(model, batch, state)

    def train(folder, step):
        kept = Checkpoints(folder / "kept")
        torch.manual_seed(5)
        model = hd.HyperDNN.for_tasks(_net(), num_tasks=6, select="1.*")
        state = _state(model, replace(LOCAL, evaluate_every=4), checkpoints=kept, resumed=kept.latest())
        log = Log(folder / "metrics.jsonl")
        settings = replace(SERVER, checkpoint_every=4)
        joining = replace(JOIN, iterations=5, checkpoint_every=2)
        outcome = _rounds(state, settings, step=step, log=log, join=lambda config: joining, finetuned=True)
        return outcome, model.state_dict(), state.record, log.path.read_text()

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = train(tmp_path / "whole", plain_step)
    with pytest.raises(KilledError):
        train(tmp_path / "killed", partial(killing, until=at))
    again = train(tmp_path / "killed", plain_step)
    assert again[0] == whole[0]
    assert again[3] == whole[3]
    assert all(tensor.equal(whole[1][name]) for name, tensor in again[1].items())
    assert whole[2]["own"].keys() == again[2]["own"].keys() == set(range(6))
    for client, own in whole[2]["own"].items():
        assert all(tensor.equal(again[2]["own"][client][name]) for name, tensor in own.items())


def test_a_checkpoint_with_newcomers_does_not_go_on_without(tmp_path):
    kept = Checkpoints(tmp_path)
    joining = replace(JOIN, iterations=2, checkpoint_every=1)
    _rounds(_state(checkpoints=kept), join=lambda config: joining)
    with pytest.raises(CheckpointError, match="of a training with newcomers, and now there are none"):
        _rounds(_state(checkpoints=kept, resumed=kept.latest()))


@pytest.mark.parametrize(
    ("local", "model", "options", "message"),
    [
        (replace(LOCAL, newcomers=6), None, {}, r"client.newcomers: expected fewer than all 6 clients, got 6"),
        (replace(LOCAL, per_round=5), None, {}, "client.per_round: 5 clients in a round, but there are 4"),
        (LOCAL, Plain(_net()), {"server": Averaging, "join": _join}, "part='hypernet.encoder': the model has no such"),
        (LOCAL, None, {"join": lambda config: replace(JOIN, accumulate=2)}, "train.accumulate: 2, but one round makes"),
    ],
)
def test_what_cannot_be_is_said_before_anybody_trains(local, model, options, message):
    def step(model, batch, state):
        raise AssertionError

    with pytest.raises(ConfigError, match=message):
        _rounds(_state(model, local), step=step, **options)


def test_fewer_than_no_newcomers_are_refused():
    with pytest.raises(ConfigError, match=r"client.newcomers: expected 0 or more, got -1"):
        replace(LOCAL, newcomers=-1)


def test_only_what_shares_nothing_or_generates_gives_back():
    with pytest.raises(ConfigError, match="sends what a HyperDNN generates, got Plain"):
        Returning(Plain(_net()))
