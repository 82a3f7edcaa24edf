import json
import math

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import inspect, targets
from hyperdnn.errors import BufferPolicyError, ConfigError

from ... import known


def test_every_distance_is_that_of_a_loop_over_pairs():
    model, context, probes = known.model().requires_grad_(False), known.contexts(4), known.probes()
    found = inspect.network_distances(model, probes, context, classes=True)
    nets = [model.bake(row).requires_grad_(False) for row in context]
    inputs = torch.cat([probe.inputs for probe in probes])
    flat = model.target.layout.join(model.generate(context)).double()
    for i, first in enumerate(nets):
        for j, second in enumerate(nets):
            one, other = first(inputs).double(), second(inputs).double()
            expected = float((one - other).square().mean().sqrt())
            assert float(found.outputs[i, j]) == pytest.approx(expected, abs=1e-5)
            assert float(found.weights[i, j]) == pytest.approx(
                float((flat[i] - flat[j]).square().mean().sqrt()), abs=1e-6
            )
            assert float(found.disagreement[i, j]) == pytest.approx(
                float((one.argmax(1) != other.argmax(1)).double().mean())
            )
    outputs = torch.stack([net(inputs) for net in nets])
    torch.testing.assert_close(found.sizes, outputs.double().square().mean((1, 2)).sqrt(), atol=1e-6, rtol=1e-5)
    assert found.probes == ("batch 0", "batch 1")


def test_correlation_of_ranks_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    found = inspect.network_distances(known.model(), known.probes(), known.contexts())
    pairs = tuple(torch.triu_indices(6, 6, 1))
    expected = stats.spearmanr(found.weights[pairs].numpy(), found.outputs[pairs].numpy()).statistic
    assert found.correlation == pytest.approx(expected)


def test_equal_values_share_a_rank():
    stats = pytest.importorskip("scipy.stats")
    context = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = inspect.network_distances(known.model(), known.probes(), context)
    pairs = tuple(torch.triu_indices(5, 5, 1))
    expected = stats.spearmanr(found.weights[pairs].numpy(), found.outputs[pairs].numpy()).statistic
    assert found.correlation == pytest.approx(expected, abs=1e-6)


def test_a_hypernet_that_ignores_its_context_makes_networks_that_do_the_same():
    found = inspect.network_distances(known.model(adapts=""), known.probes(), known.contexts(), classes=True)
    assert not found.outputs.any()
    assert not found.disagreement.any()
    assert found.findings() == ("All 6 networks do the same on these inputs.",)


def test_weights_that_differ_may_do_the_same():
    model = known.model(adapts="0.*")
    with torch.no_grad():
        model.target.layout.split(model.hypernet.start)["2.weight"].zero_()
    found = inspect.network_distances(model, known.probes(), known.contexts())
    assert found.weights.any()
    assert found.findings() == ("All 6 networks do the same on these inputs, though their weights differ.",)


def test_words_name_the_farthest_pair_and_the_correlation():
    found = inspect.network_distances(
        known.model(), known.probes(), known.contexts(3), names=["a", "b", "c"], classes=True
    )
    i, j = divmod(int(found.outputs.argmax()), 3)
    first, second, third = found.findings()
    assert f"'{'abc'[min(i, j)]}' and '{'abc'[max(i, j)]}'" in first
    assert "different classes" in second
    assert f"rank correlation {found.correlation:.2f}" in third
    two = inspect.network_distances(known.model(), known.probes(), known.contexts(2))
    assert math.isnan(two.correlation)
    assert len(two.findings()) == 1
    assert "on average" not in two.findings()[0]
    assert inspect.network_distances(known.model(), known.probes(), known.contexts(1)).findings() == ()


def test_it_prints_pairs_and_gives_plain_data():
    found = inspect.network_distances(known.model(), known.probes(), known.contexts(3), classes=True)
    lines = str(found).splitlines()
    assert lines[0].split() == ["contexts", "weights", "outputs", "disagree"]
    assert [line.split()[:2] for line in lines[1:4]] == [["0", "1"], ["0", "2"], ["1", "2"]]
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["correlation"] == pytest.approx(found.correlation)
    assert inspect.network_distances(known.model(), known.probes(), known.contexts(1)).to_json()["correlation"] is None


def test_networks_run_in_portions(monkeypatch):
    model, probes, context = known.model(), known.probes(), known.contexts()
    whole = inspect.network_distances(model, probes, context)
    monkeypatch.setattr("hyperdnn.inspect._outcome._NUMBERS", 1)
    torch.testing.assert_close(inspect.network_distances(model, probes, context).outputs, whole.outputs)


def test_outputs_that_are_not_finite_are_named():
    context = torch.cat([known.contexts(2), torch.full((1, 2), math.inf)])
    found = inspect.network_distances(known.model(), known.probes(), context)
    assert found.findings() == ("Outputs are not finite for '2'.",)
    json.dumps(found.to_json(), allow_nan=False)


def test_a_distribution_runs_its_mean():
    torch.manual_seed(0)
    model = hd.HyperDNN.for_tasks(nn.Linear(4, 2), num_tasks=3, combine=targets.Gaussian())
    found = inspect.network_distances(model, known.probes(), torch.tensor([0, 0, 1]))
    assert float(found.outputs[0, 1]) == 0
    assert float(found.outputs[0, 2]) > 0


def test_networks_with_statistics_of_their_own_cannot_be_run():
    net = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5))
    model = hd.HyperDNN.for_tasks(net, num_tasks=3, buffers="per_context")
    with pytest.raises(BufferPolicyError, match="per_context"):
        inspect.network_distances(model, known.probes())


def test_what_cannot_be_compared():
    with pytest.raises(ConfigError, match="one probe or more, got none"):
        inspect.network_distances(known.model(), [], known.contexts())
    with pytest.raises(ConfigError, match="one name for each of 6 contexts, got 1"):
        inspect.network_distances(known.model(), known.probes(), known.contexts(), names=["a"])
