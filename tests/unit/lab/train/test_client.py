from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import Split, Task
from hyperdnn.lab.train import Client, ClientModel, ClientSettings, Sent
from hyperdnn.lab.train._client import LocalClients, own_state

SETTINGS = ClientSettings(steps=3, batch_size=8, lr=0.1, momentum=0.5, weight_decay=0.01)


def _net():
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.2), nn.Linear(6, 2))


def _task(context=2):
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(32, 1, 1, 4, generator=generator)
    split = Split(stored=inputs, targets=(inputs.flatten(1).sum(1) > 0).long(), context=context)
    return Task(name="toy", train=split, validation=split, test=split, classes=2)


def _step(model, batch, state):
    return {
        "loss": F.cross_entropy(model(batch.inputs, context=batch.context), batch.targets),
        "one": torch.tensor(1.0),
    }


def _evaluate(model, task):
    assert not model.training
    batch = task.test[:]
    return {"loss": F.cross_entropy(model(batch.inputs, context=batch.context), batch.targets).item()}


def _client(settings=SETTINGS, step=_step, select="1.*"):
    torch.manual_seed(0)
    target = hd.Target(_net(), select)
    client = Client(target, SimpleNamespace(client=settings), step=step, evaluate=_evaluate)
    weights = {spec.name: torch.randn(spec.shape) * 0.3 for spec in target.layout}
    return client, Sent(client=2, round=7, seed=11, weights=weights)


def test_the_steps_are_those_of_a_plain_loop():
    client, sent = _client(select="*")
    reply, own = client.train(sent, _task(), client.own)
    seen = []

    def spy(model, batch, state):
        seen.append((batch, torch.get_rng_state()))
        return _step(model, batch, state)

    watched, _ = _client(step=spy, select="*")
    watched.train(sent, _task(), watched.own)
    net = _net()
    net.load_state_dict(sent.weights)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5, weight_decay=0.01)
    losses = []
    for batch, dropout in seen:
        torch.set_rng_state(dropout)
        losses.append(F.cross_entropy(net(batch.inputs), batch.targets))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert len(losses) == 3
    for name, tensor in net.state_dict().items():
        assert torch.allclose(reply.change[name], tensor - sent.weights[name], atol=1e-6)
    assert reply.losses["loss"] == pytest.approx(torch.stack(losses).mean().item(), abs=1e-6)
    assert reply.losses["one"] == 1.0
    assert reply.samples == 32
    assert own == {}


def test_what_is_not_generated_is_trained_and_stays():
    client, sent = _client()
    first = client.own
    assert list(first) == ["module.4.weight", "module.4.bias"]
    _, own = client.train(sent, _task(), first)
    assert not own["module.4.weight"].equal(first["module.4.weight"])
    again, _ = client.train(sent, _task(), first)  # another client begins where all begin
    same, _ = client.train(sent, _task(), first)
    later, _ = client.train(sent, _task(), own)
    assert again.change["1.weight"].equal(same.change["1.weight"])
    assert not again.change["1.weight"].equal(later.change["1.weight"])
    assert client.evaluate(sent, _task(), first) != client.evaluate(sent, _task(), own)


def test_frozen_parts_are_neither_trained_nor_kept():
    net = _net()
    net[4].weight.requires_grad_(False)
    target = hd.Target(net, "1.*")
    assert list(own_state(target)) == ["module.4.bias"]
    residual = hd.Target(_net(), combine=hd.targets.Residual())
    assert own_state(residual) == {}


def test_nothing_that_was_sent_is_changed_and_nobody_elses_randomness():
    client, sent = _client()
    before = {name: tensor.clone() for name, tensor in sent.weights.items()}
    torch.manual_seed(3)
    expected = torch.rand(5)
    torch.manual_seed(3)
    client.train(sent, _task(), client.own)
    client.evaluate(sent, _task(), client.own)
    assert torch.rand(5).equal(expected)
    assert all(tensor.equal(before[name]) for name, tensor in sent.weights.items())


def test_what_a_client_draws_is_of_its_seed_alone():
    client, sent = _client()
    one, _ = client.train(sent, _task(), client.own)
    torch.rand(100)
    same, _ = client.train(sent, _task(), client.own)
    other, _ = client.train(Sent(client=2, round=7, seed=12, weights=sent.weights), _task(), client.own)
    assert one.change["1.weight"].equal(same.change["1.weight"])
    assert not one.change["1.weight"].equal(other.change["1.weight"])


def test_the_step_sees_client_round_and_what_was_sent():
    seen = []

    def step(model, batch, state):
        seen.append((state.task, state.step, int(batch.context), state.config.client is SETTINGS))
        drift = sum((w - model.received[name]).square().sum() for name, w in model.weights.items())
        assert bool(drift > 0) == (len(seen) > 1)
        return _step(model, batch, state)

    client, sent = _client(step=step)
    client.train(sent, _task(), client.own)
    assert seen == [(2, 21, 2, True), (2, 22, 2, True), (2, 23, 2, True)]


def test_gradients_are_clipped():
    def length(clip):
        settings = ClientSettings(steps=1, batch_size=8, lr=1.0, momentum=0.0, clip_norm=clip)
        client, sent = _client(settings, select="*")
        reply, _ = client.train(sent, _task(), {})
        return torch.cat([t.flatten() for t in reply.change.values()]).norm().item()

    assert length(None) > 0.02
    assert length(0.01) == pytest.approx(0.01, rel=1e-3)


def test_what_left_the_numbers_does_not_stay():
    def step(model, batch, state):
        return {"loss": model(batch.inputs).sum() * float("nan")}

    client, sent = _client(step=step)
    reply, own = client.train(sent, _task(), client.own)
    assert not reply.change["1.weight"].isfinite().any()
    assert all(own[name].equal(tensor) for name, tensor in client.own.items())


def test_local_clients_keep_their_own_apart():
    client, sent = _client()
    kept = {}
    clients = LocalClients(client, [_task(0), _task(1), _task(2)], kept)
    clients.train([sent])
    assert list(kept) == [2]
    first = kept[2]["module.4.bias"]
    clients.train([Sent(client=0, round=8, seed=1, weights=sent.weights)])
    assert kept[2]["module.4.bias"].equal(first)
    assert not kept[0]["module.4.bias"].equal(first)
    both = [Sent(client=c, round=8, seed=1, weights=sent.weights) for c in (2, 1)]
    measured = clients.evaluate(both)
    assert list(measured) == [2, 1]
    assert measured[2] != measured[1]


def test_a_client_model_is_called_like_a_hyperdnn():
    target = hd.Target(nn.Linear(3, 2))
    weights = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
    model = ClientModel(target, weights)
    x = torch.randn(5, 3)
    assert model(x, context=torch.tensor(1)).equal(model(x))
    assert torch.allclose(model(x), x.sum(1, keepdim=True).expand(5, 2))
    assert len(list(model.parameters())) == 2


def test_errors_say_what_is_missing():
    with pytest.raises(ConfigError, match=r"rounds needs settings for clients. Add the field: client: lab.train"):
        Client(hd.Target(_net()), SimpleNamespace(), step=_step, evaluate=_evaluate)
    client, sent = _client(step=lambda model, batch, state: {"cost": model(batch.inputs).sum()})
    with pytest.raises(ConfigError, match=r"the step returned \['cost'\]: expected 'loss'"):
        client.train(sent, _task(), client.own)
