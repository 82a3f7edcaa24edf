from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn.lab.baselines import MAML, OnFeatures, ProtoNet, episode_step
from hyperdnn.lab.data import Episode
from hyperdnn.lab.train import State

PROBLEMS, WAYS, SHOTS, QUERIES = 3, 4, 2, 5


def problems(*shape, problems=PROBLEMS):
    return Episode(
        support=torch.randn(problems, WAYS, SHOTS, *shape),
        query=torch.randn(problems, WAYS, QUERIES, *shape),
        others=torch.randn(problems, 0, QUERIES, *shape),
    )


def network():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, WAYS))


def maml(net, **options):
    values = {name: p.detach().clone() for name, p in net.named_parameters()}
    target = hd.Target(net, select=(nn.Conv2d, nn.Linear), buffers="batch")
    start = {name: values[name] for name in target.layout.names}
    return MAML(target, start, **{"steps": 2, "test_steps": 3, "rate": 0.1, **options})


def by_hand(net, episode, steps, rate):
    """One problem after the other, with a copy of the network each."""
    logits = []
    for support, query in zip(episode.support, episode.query, strict=True):
        own = deepcopy(net)
        adapted = [*own[0].parameters(), *own[4].parameters()]
        for _ in range(steps):
            loss = F.cross_entropy(own(support.flatten(0, 1)), torch.arange(WAYS).repeat_interleave(SHOTS))
            for parameter, gradient in zip(adapted, torch.autograd.grad(loss, adapted), strict=True):
                parameter.data -= rate * gradient
        logits.append(own(query.flatten(0, 1)).unflatten(0, (WAYS, QUERIES)))
    return torch.stack(logits)


@pytest.mark.parametrize("training", [True, False])
def test_maml_equals_plain_gradient_descent_on_copies(training):
    net, episode = network(), problems(1, 4, 4)
    model = maml(deepcopy(net)).train(training)
    expected = by_hand(net, episode, 2 if training else 3, 0.1)
    torch.testing.assert_close(model(episode), expected, rtol=1e-4, atol=1e-5)


def test_the_trajectory_holds_every_step():
    net, episode = network(), problems(1, 4, 4)
    model = maml(deepcopy(net)).eval()
    with torch.no_grad():
        trajectory = model.trajectory(episode)
        assert trajectory.shape == (4, PROBLEMS, WAYS, QUERIES, WAYS)
        torch.testing.assert_close(trajectory[-1], model(episode))
    for steps in range(4):
        torch.testing.assert_close(trajectory[steps], by_hand(net, episode, steps, 0.1), rtol=1e-4, atol=1e-5)


def test_everything_that_is_trained_gets_a_gradient():
    model = maml(network())
    model(problems(1, 4, 4)).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert {name for name, _ in model.named_parameters()} == {
        *(f"start.{i}" for i in range(4)),
        "rates",
        "model.module.1.weight",
        "model.module.1.bias",
    }


def test_first_order_gradients_are_those_of_the_adapted_copies():
    net, episode = nn.Linear(6, WAYS), problems(6, problems=1)
    values = {name: p.detach().clone() for name, p in net.named_parameters()}
    model = MAML(hd.Target(deepcopy(net)), values, steps=2, test_steps=2, rate=0.1, first_order=True)
    model(episode).square().sum().backward()
    for _ in range(2):
        loss = F.cross_entropy(net(episode.support.flatten(0, 2)), torch.arange(WAYS).repeat_interleave(SHOTS))
        for p, g in zip(net.parameters(), torch.autograd.grad(loss, list(net.parameters())), strict=True):
            p.data -= 0.1 * g
    net(episode.query.flatten(0, 2)).square().sum().backward()
    for start, p in zip(model.start, net.parameters(), strict=True):
        torch.testing.assert_close(start.grad, p.grad)


def test_problems_do_not_mix():
    model, episode = maml(network()).eval(), problems(1, 4, 4)
    alone = Episode(support=episode.support[1:2], query=episode.query[1:2], others=episode.others[1:2])
    torch.testing.assert_close(model(episode)[1], model(alone)[0], rtol=1e-4, atol=1e-5)


def test_only_the_head_is_adapted_on_features():
    backbone, linear = nn.Sequential(nn.Flatten(), nn.Linear(16, 6)), nn.Linear(6, WAYS)
    values = {name: p.detach().clone() for name, p in linear.named_parameters()}
    model = OnFeatures(backbone, MAML(hd.Target(linear), values, steps=2, test_steps=2, rate=0.1))
    before = deepcopy(backbone.state_dict())
    model(problems(1, 4, 4)).square().mean().backward()
    torch.testing.assert_close(backbone.state_dict(), before, rtol=0, atol=0)
    assert all(p.grad.any() for p in model.parameters())


def test_protonet_takes_the_nearest_mean():
    episode = problems(6)
    logits = ProtoNet()(episode)
    assert logits.shape == (PROBLEMS, WAYS, QUERIES, WAYS)
    mean = episode.support[1, 2].mean(0)
    assert logits[1, 0, 3, 2].item() == pytest.approx(-(episode.query[1, 0, 3] - mean).square().sum().item(), rel=1e-5)
    torch.testing.assert_close(ProtoNet()(episode.rolled()), logits.roll((1, 1), (1, 3)))


def test_the_step_is_the_cross_entropy_of_the_queries():
    model, episode = OnFeatures(nn.Flatten(), ProtoNet()), problems(1, 4, 4)
    losses = episode_step(model, episode, State(model=model, config=None, generator=torch.Generator()))
    logits = model(episode)
    expected = torch.stack(
        [F.cross_entropy(logits[p, w], torch.full((QUERIES,), w)) for p in range(PROBLEMS) for w in range(WAYS)]
    ).mean()
    torch.testing.assert_close(losses["loss"], expected)
