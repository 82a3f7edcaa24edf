from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.federated import pfedhn as recipe

TINY = configuration("federated/pfedhn", "tiny")
ALL = replace(TINY, client=replace(TINY.client, per_round=5))


def _trained(config, variant="pFedHN", rounds=1, **server):
    """The model before and after some rounds, and what clients were sent and made of it, in turn."""
    model = (recipe.RECIPE.variants[variant].build or recipe.build)(config)
    start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    turns = []

    def step(client, batch, state):
        if state.step % config.client.steps == 0:
            turns.append((state.task, client))
        return recipe.step(client, batch, state)

    generator = torch.Generator().manual_seed(0)
    state = lab.train.State(model=model, config=config, generator=generator)
    settings = replace(config.train, iterations=rounds, device="cpu", **server)
    loop = recipe.RECIPE.variants[variant].loop or recipe.RECIPE.loop
    outcome = loop(
        state, recipe.data(config), settings, step=step, evaluate=recipe.evaluate, log=lab.train.Log(), join=None
    )
    return model, start, turns[: rounds * config.client.per_round], outcome


def _like(config, parameters):
    model = recipe.build(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(parameters[name])
    return model


def _distance(model, turns, trained):
    """Half the squared distance of what is generated to what clients trained, the mean over clients."""
    weights = model.generate(torch.tensor([number for number, _ in turns]))
    each = [
        (trained[place][n] - w[place]).square().sum() / 2 for place in range(len(turns)) for n, w in weights.items()
    ]
    return torch.stack(each).sum() / len(turns)


def test_the_server_steps_towards_what_clients_trained():
    model, start, turns, _ = _trained(TINY, momentum=0.0, weight_decay=0.0, clip_norm=None, lr=0.05)
    before = _like(TINY, start)
    trained = [{name: w.detach() for name, w in client.weights.items()} for _, client in turns]
    distance = _distance(before, turns, trained)
    gradients = torch.autograd.grad(distance, list(before.parameters()), allow_unused=True)
    for (name, old), gradient in zip(before.named_parameters(), gradients, strict=True):
        expected = old if gradient is None else old - 0.05 * gradient  # embeddings at the same rate as all the rest
        torch.testing.assert_close(model.get_parameter(name), expected, msg=name)
    assert _distance(model, turns, trained) < distance


def test_weights_are_generated_anew_in_each_round():
    config = replace(ALL, client=replace(ALL.client, steps=1))
    model, start, turns, _ = _trained(config, rounds=2, momentum=0.0, weight_decay=0.0, clip_norm=None, lr=0.05)
    middle = _like(config, start)
    for turn in (turns[:5], turns[5:]):
        numbers = torch.tensor([number for number, _ in turn])
        for place, (_, client) in enumerate(turn):
            for name, weight in middle.generate(numbers).items():
                torch.testing.assert_close(client.received[name], weight[place])
        middle.zero_grad()
        _distance(middle, turn, [{n: w.detach() for n, w in client.weights.items()} for _, client in turn]).backward()
        torch.optim.SGD(middle.parameters(), lr=0.05).step()
    for name, parameter in middle.named_parameters():
        torch.testing.assert_close(model.get_parameter(name), parameter)


def test_who_is_away_keeps_its_embedding_whatever_decays():
    model, start, turns, _ = _trained(TINY, weight_decay=0.5)
    present = {number for number, _ in turns}
    for number in range(TINY.clients):
        name = f"hypernet.encoder.rows.{number}"
        assert model.get_parameter(name).equal(start[name]) == (number not in present)


def test_gradients_are_clipped_on_both_sides():
    assert (recipe.Config().client.clip_norm, recipe.Config().train.clip_norm) == (50.0, 50.0)
    local = replace(TINY.client, steps=1, lr=1.0, momentum=0.0, weight_decay=0.0, clip_norm=0.01)
    config = replace(TINY, client=local)
    model, start, turns, _ = _trained(config, lr=1.0, momentum=0.0, weight_decay=0.0, clip_norm=0.001)
    for _, client in turns:
        change = torch.cat([(w - client.received[name]).flatten() for name, w in client.weights.items()])
        assert change.norm().item() == pytest.approx(0.01, rel=1e-3)
    moved = torch.cat([(parameter - start[name]).flatten() for name, parameter in model.named_parameters()])
    assert moved.norm().item() == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_a_client_has_the_same_classes_in_the_same_mix_everywhere(seed):
    for task in recipe.data(replace(TINY, seed=seed)):
        parts = [getattr(task, name).targets.bincount(minlength=10) for name in ("train", "validation", "test")]
        train, *others = [(counts / counts.sum()).double() for counts in parts]
        assert (train > 0).sum() == 2
        for other in others:
            torch.testing.assert_close(other, train, atol=0.06, rtol=0)


def test_what_travels_is_the_clients_network_however_large_the_hypernet():
    numbers = sum(parameter.numel() for parameter in recipe.build_target(TINY).parameters())
    for hidden in (100, 400):
        outcome = _trained(replace(TINY, hypernet=(hidden,) * 4))[-1]
        assert outcome.metrics["bytes_per_exchange"] == 2 * 4 * numbers


def test_the_personal_classifier_never_leaves_the_client():
    config = replace(TINY, personal=True)
    model, start, turns, outcome = _trained(config, "pFedHN-PC", rounds=2)
    names = model.target.layout.names
    assert all(name.startswith("features.") for name in names)
    features = sum(p.numel() for p in recipe.build_target(config).features.parameters())
    assert outcome.metrics["bytes_per_exchange"] == 2 * 4 * features
    kept = {name for name, _ in model.target.named_parameters()}
    assert kept == {"module.classifier.weight", "module.classifier.bias"}
    assert all(model.get_parameter(f"target.{name}").equal(start[f"target.{name}"]) for name in kept)
    assert all(set(client.received) == set(names) for _, client in turns)


def test_averaging_takes_the_mean_and_alone_nobody_learns_from_anybody():
    averaging, alone = (recipe.RECIPE.variants[name].changes for name in ("FedAvg", "local"))
    settings = {name.removeprefix("train."): value for name, value in alone.items()}
    assert averaging == {**alone, "client.lr": 5e-3}
    model, _, turns, _ = _trained(TINY, "FedAvg", **settings)
    sizes = [len(recipe.data(TINY)[number].train) for number, _ in turns]
    for name, parameter in model.net.named_parameters():
        mean = sum(n * client.weights[name] for n, (_, client) in zip(sizes, turns, strict=True)) / sum(sizes)
        torch.testing.assert_close(parameter, mean)
    model, _, turns, _ = _trained(TINY, "local", **settings)
    for number, client in turns:
        for name, weight in model.generate(torch.tensor(number)).items():
            torch.testing.assert_close(weight, client.weights[name])


def test_the_clients_network_is_lenet_in_whatever_order_pixels_lie():
    config = replace(recipe.Config(), kernels=(8, 16))
    split = lab.data.Split(stored=torch.zeros(1, 3, 32, 32), targets=torch.zeros(1, dtype=torch.int64))
    task = lab.data.Task(name="colours", train=split, validation=split, test=split, classes=10)
    net = recipe.LeNet(config, task)
    assert sum(p.numel() for p in net.parameters()) == 608 + 3216 + 48_120 + 10_164 + 850
    x = torch.randn(4, 3, 32, 32)
    hidden = x
    for conv in (net.features[0], net.features[3]):
        hidden = F.max_pool2d(F.conv2d(hidden, conv.weight, conv.bias).relu(), 2)
    hidden = net.features[9](net.features[7](hidden.flatten(1)).relu()).relu()
    torch.testing.assert_close(net(x), net.classifier(hidden))


def test_images_that_two_convolutions_leave_nothing_of_are_refused():
    with pytest.raises(ConfigError, match=r"pad: two convolutions of 5 x 5 .* images of 16 or more, got 14"):
        recipe.build(replace(TINY, pad=3))


def test_all_clients_at_once_are_the_same_as_one_by_one():
    model = recipe.build(TINY)
    images = torch.randn(6, 4, 1, 16, 16)
    at_once = model(images, context=torch.arange(6))
    torch.testing.assert_close(
        at_once, torch.stack([model(images[client], context=torch.tensor(client)) for client in range(6)])
    )


def test_embeddings_are_as_wide_as_published():
    config = replace(TINY, clients=25, client=replace(TINY.client, newcomers=5))
    assert recipe.build(config).hypernet.encoder.features == 1 + 20 // 4
    assert recipe.build(config).hypernet.encoder.contexts == 25


@pytest.mark.parametrize("name", ["clients", "classes_per_client", "per_class"])
def test_sizes_are_checked_before_the_first_round(name):
    with pytest.raises(ConfigError, match=f"{name}: expected 1 or more, got 0"):
        replace(TINY, **{name: 0})
