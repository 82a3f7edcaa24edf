"""Some parameters are generated, the others stay what they were."""

import copy

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import HyperDNNError

from .loop import assert_same, prepare, random_weights
from .subjects import SUBJECTS


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_generated_parameters_leave_and_the_others_stay(subject):
    plain, target = prepare(subject)
    gone = {name for spec in target.replaced for name in spec.names}
    kept = dict(target.module.named_parameters(remove_duplicate=False))
    theirs = dict(plain.named_parameters(remove_duplicate=False))
    assert kept.keys() == theirs.keys() - gone
    assert {n for n in target.state_dict() if n.removeprefix("module.") in gone} == set()
    for name, p in kept.items():
        assert torch.equal(p, theirs[name])
        assert isinstance(p, nn.Parameter)


def test_kept_parameters_train_and_frozen_ones_do_not():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    net[0].requires_grad_(False)
    before = copy.deepcopy(net.state_dict())
    model = hd.HyperDNN.for_tasks(net, 3, select="2.*")
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(torch.randn(3, 5, 3), context=torch.arange(3)).square().sum().backward()
    optimizer.step()
    after = model.target.state_dict()
    assert after.keys() == {f"module.{layer}.{leaf}" for layer in (0, 1) for leaf in ("weight", "bias")}
    for name, value in after.items():
        assert torch.equal(value, before[name.removeprefix("module.")]) == name.startswith("module.0.")


def test_moving_and_copying_a_target_keeps_its_places_empty():
    for subject in SUBJECTS:
        _, target = prepare(subject)
        moved = copy.deepcopy(target).double()
        weights, (args, kwargs) = random_weights(target, ()), subject.inputs(3)
        assert_same(moved(weights, *args, **kwargs), target(weights, *args, **kwargs))


def _hooked(layer):
    calls = []
    layer.register_forward_hook(lambda *_: calls.append("forward"))
    layer.register_forward_pre_hook(lambda *_: calls.append("before"))
    return layer, calls


@pytest.mark.parametrize(
    ("make", "shape", "buffers"),
    [
        (lambda: nn.Linear(3, 2), (4, 3), None),
        (lambda: nn.LSTM(3, 2), (5, 4, 3), None),
        (lambda: nn.GRUCell(3, 2), (4, 3), None),
        (lambda: nn.BatchNorm1d(3), (4, 3), "shared"),
    ],
    ids=["linear", "lstm", "gru-cell", "batchnorm-shared"],
)
def test_hooks_go_on_firing(make, shape, buffers):
    layer, calls = _hooked(make())
    target = hd.Target(nn.Sequential(layer), buffers=buffers)
    weights = {s.name: torch.randn(s.shape) for s in target.layout}
    target(weights, torch.randn(shape))
    assert calls == ["before", "forward"]


class _MyLSTM(nn.LSTM):
    pass


@pytest.mark.parametrize(
    "make",
    [
        lambda: _MyLSTM(3, 4),
        lambda: nn.utils.parametrizations.weight_norm(nn.LSTM(3, 4), "weight_ih_l0"),
    ],
    ids=["subclass", "weight-norm"],
)
def test_a_recurrent_layer_of_another_class_works_or_is_refused(make):
    plain, net = make(), make()
    net.load_state_dict(plain.state_dict())
    try:
        target = hd.Target(net)
    except HyperDNNError:
        return
    weights, x = dict(plain.named_parameters()), torch.randn(5, 2, 3)
    torch.testing.assert_close(target(weights, x)[0], plain(x)[0])
    target.double()  # touches every list of weights beside the parameters
    doubled = {n: w.double() for n, w in weights.items()}
    torch.testing.assert_close(target(doubled, x.double())[0].float(), plain(x)[0])


def test_weight_norm_is_generated_like_any_other_parameter():
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), nn.Linear(4, 2)).double()
    plain = copy.deepcopy(net)
    target = hd.Target(net)
    weights, x = {n: p.detach() for n, p in plain.named_parameters()}, torch.randn(5, 3).double()
    assert_same(target(weights, x), plain(x))
    many = {n: w.expand(3, *w.shape) for n, w in weights.items()}
    assert_same(target.batched(many, x, data_dims=None)[2], plain(x))
    baked = target.bake(weights)
    assert_same(baked(x), plain(x))
    assert baked.state_dict().keys() == plain.state_dict().keys()
