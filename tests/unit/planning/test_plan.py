import copy
import json

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.planning import Needs, _cost, _measure


@pytest.fixture
def _untimed(monkeypatch):
    monkeypatch.setattr(_cost, "time_to_generate", lambda *_: (0.5, True))


def _net() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 40), nn.BatchNorm1d(40), nn.ReLU(), nn.Linear(40, 30))


def _run(code: str, **given):
    exec(code, given)
    return given["model"]


def test_a_plan_leads_to_a_model_that_trains():
    net = _net()
    found = hd.plan(net, contexts=4, needs=Needs(related=True))
    model = _run(found.recommendation.row.code, net=net)
    assert model.count() == found.recommendation.row.count
    model(torch.randn(4, 5, 20), context=torch.arange(4)).sum().backward()


def test_nothing_is_changed():
    net = _net()
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    hd.plan(net, contexts=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


@pytest.mark.usefixtures("_untimed")
def test_a_target_is_planned_for_as_it_is():
    target = hd.Target(_net(), "3.*", buffers="frozen")
    found = hd.plan(target, contexts=4, hidden=32)
    plain = hd.plan(_net(), contexts=4, hidden=32, select="3.*")
    assert [row.count for row in found.rows] == [row.count for row in plain.rows if "change" not in row.strategy]
    assert found.facts == plain.facts
    assert (found.target, found.layers) == ("Sequential", 1)
    assert _run(found.rows[0].code, target=target).count() == found.rows[0].count


@pytest.mark.usefixtures("_untimed")
def test_a_selection_that_is_no_glob_keeps_its_name_in_the_code():
    found = hd.plan(_net(), contexts=2, select=nn.BatchNorm1d)
    assert _run(found.rows[0].code, net=_net(), select=nn.BatchNorm1d).count() == found.rows[0].count


@pytest.mark.usefixtures("_untimed")
def test_sizes_beside_hypernets():
    found = hd.plan(_net(), contexts=4, budget=10**6, select="3.*")
    facts, weights, kept = found.facts, 40 * 30 + 30, 20 * 40 + 40 + 80
    assert (facts.weights, facts.one, facts.separate) == (weights, weights + kept, 4 * weights + kept)
    assert facts.always == 4 * 32 + kept
    assert facts.budget == 10**6


@pytest.mark.usefixtures("_untimed")
@pytest.mark.parametrize("budget", [30_000, 60_000, 90_000])
def test_a_budget_is_met_and_nearly_filled(budget):
    found = hd.plan(_net(), contexts=4, budget=budget, needs=Needs(related=True)).recommendation.row
    assert budget - 65 * 32 < found.count.trained <= budget
    assert found.kind == "chunk-wise"


@pytest.mark.usefixtures("_untimed")
def test_the_smallest_budget_that_is_named_is_enough():
    needs = Needs(related=True)
    poor = hd.plan(_net(), contexts=4, budget=100, needs=needs)
    assert poor.recommendation.row is None
    smallest = min(row.count.trained for row in poor.rows)
    assert f"with {smallest:,}" in poor.recommendation.reasons[0]
    assert hd.plan(_net(), contexts=4, budget=smallest, needs=needs).recommendation.row.count.trained == smallest


@pytest.mark.usefixtures("_untimed")
def test_as_json():
    found = hd.plan(_net(), contexts=4, budget=40_000, needs=Needs(related=True))
    data = json.loads(json.dumps(found.to_json()))
    assert data["contexts"] == 4
    assert data["separate"] == found.facts.separate
    assert [row["strategy"] for row in data["rows"]] == [row.strategy for row in found.rows]
    assert data["recommendation"]["strategy"] == found.recommendation.row.strategy
    assert data["needs"]["related"] is True
    assert {question["name"] for question in data["questions"]} == set(found.needs.open)


def test_a_transformer_of_a_hundred_million_parameters(monkeypatch):
    monkeypatch.setattr(_measure, "_SECONDS", 0.0005)
    monkeypatch.setattr(_measure, "_PROBE_NUMBERS", 1 << 12)
    with torch.device("meta"):
        layer = nn.TransformerEncoderLayer(768, 12, 3072, batch_first=True)
        net = nn.TransformerEncoder(layer, 14, enable_nested_tensor=False)
    found = hd.plan(net, contexts=10)
    assert found.facts.weights == 99_230_208
    assert found.recommendation.answer == "low-rank change (4)"
    assert not any(row.measured for row in found.rows)
    once = found.rows[0]
    assert once.count.trained == 10 * 32 + (32 * 64 + 64) + (64 * 64 + 64) + 65 * 99_230_208
    assert max(map(len, str(found).splitlines())) <= 120
