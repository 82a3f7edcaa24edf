import copy

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import encoders, heads, init, targets
from hyperdnn.errors import ConfigError
from hyperdnn.models import _makers


def net(hidden: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, hidden), nn.ReLU(), nn.Linear(hidden, 2))


def test_for_tasks_has_a_row_for_each_task() -> None:
    model = hd.HyperDNN.for_tasks(net(), 5, hidden=16, features=7)
    encoder, body, head = model.hypernet.encoder, model.hypernet.body, model.hypernet.head
    assert (type(encoder), encoder.contexts, encoder.features) == (encoders.Table, 5, 7)
    assert (body.features, body.widths) == (7, (16, 16))
    assert (type(head), head.hidden, model.hypernet.slots) == (heads.FullHead, 16, None)
    assert model(torch.randn(5, 6, 3), context=torch.arange(5)).shape == (5, 6, 2)


def test_for_vectors_and_for_noise() -> None:
    vectors = hd.HyperDNN.for_vectors(net(), 4)
    assert type(vectors.hypernet.encoder) is encoders.Vector
    assert vectors(torch.randn(6, 3), context=torch.randn(4)).shape == (6, 2)
    noise = hd.HyperDNN.for_noise(net(), 9)
    assert type(noise.hypernet.encoder) is encoders.Noise
    assert noise(torch.randn(6, 3), context=noise.hypernet.encoder.sample(8), data_dims=None).shape == (8, 6, 2)


def test_a_large_target_gets_chunks_and_half_as_many_parameters() -> None:
    hidden = 64
    small = hd.HyperDNN.for_tasks(net(5000), 2, hidden=hidden)  # 30,002 numbers, 1.9 million in a full head
    assert type(small.hypernet.head) is heads.FullHead
    large = hd.HyperDNN.for_tasks(net(200_000), 2, hidden=hidden)
    head = large.hypernet.head
    assert type(head) is heads.ChunkedHead
    assert head.chunk % 32 == 0
    assert large.hypernet.slots.slots == head.slots
    assert 1.7 < large.count().compression_ratio < 2.2


def test_the_limit_is_where_the_head_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    numel = hd.ParamLayout.of(net()).numel
    monkeypatch.setattr(_makers, "FULL_HEAD_LIMIT", 8 * numel)
    assert type(hd.HyperDNN.for_tasks(net(), 2, hidden=8).hypernet.head) is heads.FullHead
    monkeypatch.setattr(_makers, "FULL_HEAD_LIMIT", 8 * numel - 1)
    monkeypatch.setattr(_makers, "_chunk", lambda layout, hidden: 10)
    assert type(hd.HyperDNN.for_tasks(net(), 2, hidden=8).hypernet.head) is heads.ChunkedHead


def test_select_combine_buffers_and_rule_are_passed_on() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    model = hd.HyperDNN.for_tasks(
        module, 2, select="2.*", combine=targets.LowRank(1), buffers="frozen", init=init.hyperfan_in
    )
    assert model.target.layout.names == ("2.weight.left", "2.weight.right", "2.bias")
    assert model.target.buffers_policy == "frozen"
    unit = hd.HyperDNN.for_tasks(net(), 200, init=init.naive).generate(torch.arange(200))
    assert unit["0.weight"].std().item() == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize("make", ["for_tasks", "for_vectors", "for_noise"])
def test_init_target_starts_exactly_at_the_networks_weights(make: str) -> None:
    module, x = net(), torch.randn(6, 3)
    plain = copy.deepcopy(module)
    model = getattr(hd.HyperDNN, make)(module, 5, init="target")
    context = torch.arange(5) if make == "for_tasks" else torch.randn(5, 5)
    assert torch.equal(model.bake(context[3])(x), plain(x))
    torch.testing.assert_close(model(x, context=context, data_dims=None), plain(x).expand(5, 6, 2))


@pytest.mark.parametrize("combine", [targets.Residual(), targets.Scale(), targets.LowRank(1)])
def test_init_target_is_the_network_with_every_combine_or_refused(combine: targets.Residual) -> None:
    """The values are the network's, not the change's: a residual must not start at twice the weights."""
    module, x = net(), torch.randn(6, 3)
    plain = copy.deepcopy(module)
    try:
        model = hd.HyperDNN.for_tasks(module, 2, combine=combine, init="target")
    except ConfigError:
        return
    torch.testing.assert_close(model(x, context=torch.tensor(1)), plain(x))


def test_the_hypernet_follows_the_networks_number_format() -> None:
    model = hd.HyperDNN.for_tasks(net().double(), 2)
    assert model(torch.randn(6, 3).double(), context=torch.tensor(1)).dtype == torch.float64
