import re
from dataclasses import replace

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.layout import Count
from hyperdnn.planning import Needs, Plan, _cost
from hyperdnn.planning._recommend import open_questions, recommend
from hyperdnn.planning._table import _bytes, _number, _ratio, _seconds, _thousands


@pytest.fixture
def plan(rows, facts):
    needs = Needs(related=True)
    coded = [replace(row, code="target = 1\n\nmodel = 2") for row in rows]
    return Plan(
        target="Net",
        layers=3,
        facts=facts,
        hidden=64,
        threads=1,
        needs=needs,
        rows=tuple(coded),
        refused={"low-rank (16)": "no matrix is thick"},
        recommendation=recommend(coded, facts, needs),
        questions=open_questions(rows, facts, needs),
        advice=("Eat well.",),
    )


def test_the_whole_page(plan):
    assert str(replace(plan, rows=plan.rows[3:5], questions=plan.questions[:1])) == (
        "Net: 80,000 weights in 3 layers, 10 contexts, hidden 64\n"
        "\n"
        "  strategy                trained  generated   ratio    memory  + context  mult-adds  time  layers  unused\n"
        "  one network              80,000\n"
        "  separate networks       800,000\n"
        "→ component-wise (layer)  900,000      1,000  0.0011  13.7 MiB   7.81 KiB        1 k  1 ms  1 of 3       0\n"
        "  chunk-wise (4096)       300,000      1,000  0.0033  4.58 MiB   7.81 KiB        1 k  1 ms  1 of 3       0\n"
        "\n"
        "ratio: generated numbers for each parameter of the hypernet. memory: of training with Adam, and more for each "
        "context in\n"
        "  a step, both without activations. mult-adds, time: to generate the weights of one context on 1 thread. "
        "layers: how\n"
        "  many are made whole, from one row of features. unused: generated numbers that belong to no tensor.\n"
        "low-rank (16) does not apply: no matrix is thick.\n"
        "\n"
        "Recommended: component-wise (layer)\n"
        "- Generate once would train 5,000,000 numbers: over 2,000,320, the limit without a budget (2,000,000 beside "
        "what every\n"
        "  hypernet has).\n"
        "- Layers of equal shapes share a map and each comes whole: a loss of 0.226 in docs/strategies.md.\n"
        "- It trains 900,000 numbers, 1.12 times as many as 10 separate networks have.\n"
        "- Eat well.\n"
        "\n"
        "The code of component-wise (layer):\n"
        "\n"
        "    target = 1\n"
        "\n"
        "    model = 2\n"
        "\n"
        "Open questions (needs=hd.planning.Needs(...)), and what their answers would change:\n"
        "  data_adaptive: Must the weights adapt to the data, instead of being fixed once training ends?\n"
        "    yes: component-wise (layer) with an encoder of the data   no: component-wise (layer)"
    )


def _marked(plan) -> str:
    return re.search(r"^→ (.*?)(  |$)", str(plan), re.MULTILINE)[1]


def test_the_mark_stands_before_what_is_recommended(plan, rows, facts):
    assert _marked(replace(plan, recommendation=recommend(rows, facts, Needs()))) == "separate networks"
    one = replace(facts, contexts=1, separate=80_000)
    text = str(replace(plan, facts=one, recommendation=recommend(rows, one, Needs())))
    assert "→ one network" in text
    assert "separate networks  " not in text
    poor = replace(facts, budget=10)
    text = str(replace(plan, facts=poor, recommendation=recommend(rows, poor, Needs(related=True))))
    assert "→" not in text
    assert "at most 10 trained numbers" in text
    assert "The code of" not in text


def test_estimates_are_marked(plan):
    rows = (plan.rows[0], replace(plan.rows[1], measured=False, seconds=2.0))
    text = str(replace(plan, rows=rows))
    assert "~ 2 s" in text
    assert "1 thread, ~ where\n  estimated" in text
    assert "~" not in str(plan)


def test_an_answer_that_changes_nothing_is_said_once(plan):
    question = replace(plan.questions[0], yes="this", no="this")
    assert "    either way: this" in str(replace(plan, questions=(question,)))


@pytest.mark.parametrize("contexts", [1, 10**6])
def test_the_page_fits_in_120_columns(contexts, monkeypatch):
    monkeypatch.setattr(_cost, "time_to_generate", lambda *_: (1234.5, False))
    with torch.device("meta"):
        net = nn.Sequential(nn.Linear(60_000, 60_000), nn.Linear(3, 70_000))
    assert max(map(len, str(hd.plan(net, contexts=contexts)).splitlines())) <= 120


def test_numbers_are_short():
    assert [_number(n) for n in (0, 99_999_999, 100_000_000, 6_449_970_112)] == ["0", "99,999,999", "100 M", "6.45 G"]
    assert [_thousands(n) for n in (0, 999, 1000, 999_600)] == ["0", "999", "1 k", "1 M"]
    assert [_bytes(n) for n in (0, 1023, 1024, 3 * 2**30)] == ["0 B", "0.999 KiB", "1 KiB", "3 GiB"]
    assert [_ratio(r) for r in (0.000609, 0.42, 1.81, 108.2)] == ["0.00061", "0.42", "1.81", "108"]
    assert [_seconds(s) for s in (7.57e-5, 0.0021, 3.25)] == ["75.7 us", "2.1 ms", "3.25 s"]


def test_counts_beyond_all_units(plan):
    row = replace(plan.rows[0], count=Count(trained=10**23, total=1, hypernet=10**23, generated=1, deployed=1))
    assert "1e+05 E" in str(replace(plan, rows=(row,)))
