"""Dropout over many contexts: different or the same, as asked."""

import pytest
import torch
from torch import nn

import hyperdnn as hd

from .loop import assert_same

NETS = {
    "dropout": (lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(40, 3)), (40,)),
    "channels": (lambda: nn.Sequential(nn.Dropout1d(0.5), nn.Conv1d(20, 3, 2)), (20, 2)),
    "between-recurrent-layers": (lambda: nn.LSTM(3, 20, num_layers=2, dropout=0.5, batch_first=True), (4, 3)),
    "transformer": (lambda: nn.TransformerEncoderLayer(20, 2, 20, batch_first=True), (3, 20)),
}
every_net = pytest.mark.parametrize("net", NETS)
every_mode = pytest.mark.parametrize("mode", ["vmap", "loop"])


def _equal_contexts(net, *contexts):
    make, shape = NETS[net]
    target = hd.Target(make())
    weights = {s.name: (0.3 * torch.randn(s.shape)).expand(*contexts, *s.shape) for s in target.layout}
    return target, weights, torch.ones(2, *shape).expand(*contexts, 2, *shape)


def _first(output):
    return output[0] if isinstance(output, tuple) else output


@every_mode
@every_net
def test_different_is_the_default(net, mode):
    target, weights, x = _equal_contexts(net, 3)
    y = _first(target.batched(weights, x, mode=mode))
    assert not torch.equal(y[0], y[1])
    y = _first(target.batched(weights, x, mode=mode, randomness="different"))
    assert not torch.equal(y[0], y[1])
    assert not torch.equal(y[0, 0], y[0, 1])


@every_mode
@every_net
def test_same_draws_once_for_all_contexts(net, mode):
    target, weights, x = _equal_contexts(net, 2, 3)
    y = _first(target.batched(weights, x, mode=mode, randomness="same")).flatten(0, 1)
    for other in y[1:]:
        torch.testing.assert_close(y[0], other)
    assert not torch.equal(y[0, 0], y[0, 1])  # samples still differ
    again = _first(target.batched(weights, x, mode=mode, randomness="same")).flatten(0, 1)
    assert not torch.equal(y[0], again[0])  # and so do calls


@every_mode
def test_paired_follows_the_request(mode):
    target = hd.Target(nn.Sequential(nn.Dropout(0.5), nn.Linear(40, 3)))
    weights = {s.name: torch.randn(s.shape).expand(3, *s.shape) for s in target.layout}
    same = target.paired(weights, torch.ones(3, 40), mode=mode, randomness="same")
    assert_same(list(same), [same[0]] * 3)
    different = target.paired(weights, torch.ones(3, 40), mode=mode)
    assert not torch.equal(different[0], different[1])


@every_net
def test_evaluation_draws_nothing(net):
    target, weights, x = _equal_contexts(net, 3)
    target.eval()
    state = torch.get_rng_state()
    y = _first(target.batched(weights, x))
    torch.testing.assert_close(y[0], y[2])
    assert torch.equal(torch.get_rng_state(), state)
