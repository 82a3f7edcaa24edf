import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from hyperdnn.planning import Needs
from hyperdnn.planning._recommend import _WHY, open_questions, recommend

ALL_NO = Needs(
    related=False, data_adaptive=False, dynamic_architecture=False, parameter_efficiency=False, uncertainty=False
)
MEASURED = [kind for kind in _WHY if kind != "low-rank change"]
PAGE = Path(__file__).parents[3] / "docs" / "strategies.md"


def _measured() -> dict[str, tuple[int, str]]:
    """Trained numbers and loss of each strategy with the MLP body, as the page has them."""
    rows = re.findall(r"^\| ([^|]+?) \| MLP \| ([\d,]+) \|.* ([\d.]+) \|$", PAGE.read_text(), re.MULTILINE)
    return {name: (int(trained.replace(",", "")), loss) for name, trained, loss in rows}


def test_the_figures_that_are_cited_are_those_of_the_page():
    measured = _measured()
    for kind in MEASURED:
        name = next(n for n in measured if n.startswith(kind))
        assert f"({measured[name][1]})" in _WHY[kind] or f"a loss of {measured[name][1]} in" in _WHY[kind]
    times = measured["generate once"][0] / measured["chunk-wise (256)"][0]
    assert f"{times:.0f} times as many" in _WHY["chunk-wise"]


def test_the_order_is_that_of_the_measured_losses_up_to_their_spread():
    losses = [float(next(loss for n, (_, loss) in _measured().items() if n.startswith(kind))) for kind in MEASURED]
    assert losses[:2] == sorted(losses)[:2]
    assert all(before < 1.2 * after for before, after in combinations(losses, 2))


@pytest.mark.parametrize(
    ("budget", "strategy"),
    [
        (None, "component-wise (layer)"),
        (6_000_000, "generate once"),
        (5_000_000, "generate once"),
        (4_999_999, "component-wise (layer)"),
        (500_000, "chunk-wise (4096)"),
        (60_000, "chunk-wise (256)"),
        (35_000, "low-rank change (4)"),
    ],
)
def test_the_best_measured_strategy_within_the_budget(rows, facts, budget, strategy):
    found = recommend(rows, replace(facts, budget=budget), Needs(related=True))
    assert (found.use, found.answer) == ("hypernet", strategy)


def test_what_was_better_but_too_large_is_named(rows, facts):
    reasons = recommend(rows, facts, Needs(related=True)).reasons
    assert reasons[0] == (
        "Generate once would train 5,000,000 numbers: over 2,000,320, the limit without a budget "
        "(2,000,000 beside what every hypernet has)."
    )
    assert "0.226" in reasons[1]
    assert reasons[2] == "It trains 900,000 numbers, 1.12 times as many as 10 separate networks have."


def test_a_large_target_is_changed_and_not_generated(rows, facts):
    large = replace(facts, weights=20_000_000, separate=200_000_000)
    found = recommend(rows, large, Needs(related=True))
    assert found.answer == "low-rank change (4)"
    assert found.reasons[0].startswith("The target has more than 10,000,000 weights")


def test_a_dynamic_architecture_is_generated_by_components(rows, facts):
    needs = Needs(dynamic_architecture=True)
    assert recommend(rows, facts, needs).answer == "component-wise (layer)"
    found = recommend(rows, replace(facts, budget=100_000), needs)
    assert found.answer == "component-wise (row)"
    assert any("share a map, as hd.GraphHypernet" in reason for reason in found.reasons)
    assert recommend(rows, replace(facts, budget=50_000), needs).answer == "chunk-wise (256)"


def test_parameter_efficiency_is_fewer_numbers_than_separate_networks(rows, facts):
    assert recommend(rows, facts, Needs(related=True)).answer == "component-wise (layer)"  # 900,000 of 800,000
    found = recommend(rows, facts, Needs(related=True, parameter_efficiency=True))
    assert found.answer == "chunk-wise (4096)"
    assert "over 799,999, fewer than separate networks have" in found.reasons[0]
    tight = replace(facts, budget=50_000)
    assert recommend(rows, tight, Needs(related=True, parameter_efficiency=True)).answer == "chunk-wise (256)"


def test_parameter_efficiency_that_cannot_be_had_is_said(rows, facts):
    small = replace(facts, separate=1000)
    found = recommend(rows, small, Needs(related=True, parameter_efficiency=True))
    assert found.answer == "low-rank change (4)"
    assert found.reasons[0] == "No strategy trains at most 999 numbers, fewer than separate networks have."
    assert recommend(rows, small, Needs(parameter_efficiency=True)).use == "separate networks"


def test_no_need_no_hypernet(rows, facts):
    found = recommend(rows, facts, ALL_NO)
    assert found.use == "separate networks"
    assert "All five questions" in found.reasons[0]
    assert found.row.strategy == "component-wise (layer)"
    assert "component-wise (layer)" in found.reasons[1]


def test_what_is_not_related_is_not_shared(rows, facts):
    found = recommend(rows, facts, Needs(related=False))
    assert found.use == "separate networks"
    assert "nothing to learn from each other" in found.reasons[0]
    assert recommend(rows, facts, Needs(related=False, uncertainty=True)).use == "hypernet"
    assert recommend(rows, facts, Needs(related=False, parameter_efficiency=True)).answer == "chunk-wise (4096)"


def test_separate_networks_that_are_smaller_serve_better_unless_contexts_share(rows, facts):
    found = recommend(rows, facts, Needs())
    assert found.use == "separate networks"
    assert "10 separate networks train 800,000 numbers, the hypernet 900,000 (1.12 times as many)" in found.reasons[0]
    assert recommend(rows, replace(facts, separate=900_001), Needs()).use == "hypernet"
    assert recommend(rows, facts, Needs(related=True)).use == "hypernet"


def test_one_context_is_one_network(rows, facts):
    one = replace(facts, contexts=1, separate=80_000)
    assert recommend(rows, one, Needs(related=True)).use == "one network"
    assert recommend(rows, one, Needs(data_adaptive=True)).use == "hypernet"
    found = recommend(rows, one, Needs(parameter_efficiency=True))  # fewer numbers than the network itself
    assert found.answer == "chunk-wise (256)"
    assert found.reasons[-1] == "It trains 40,000 numbers, 50 % of what one network has."


def test_a_budget_that_nothing_meets(rows, facts):
    found = recommend(rows, replace(facts, budget=10_000), Needs(related=True))
    assert (found.use, found.row, found.answer) == ("hypernet", None, "no hypernet within the budget")
    assert "The smallest is low-rank change (4) with 30,000, of which 320 are" in found.reasons[0]
    assert "Raise the budget to that, lower hidden" in found.reasons[0]
    assert "One network" not in found.reasons[0]


def test_a_budget_that_only_plain_networks_meet(rows, facts):
    small = replace(facts, budget=10_000, one=900, separate=9_000)
    found = recommend(rows, small, Needs())
    assert (found.use, found.row) == ("separate networks", None)
    assert "within the budget" in found.reasons[0]
    assert found.reasons[1].endswith("One network for all contexts trains 900.")


def test_open_questions_say_what_their_answers_would_change(rows, facts):
    questions = {question.name: question for question in open_questions(rows, facts, Needs(related=True))}
    assert list(questions) == ["data_adaptive", "dynamic_architecture", "parameter_efficiency", "uncertainty"]
    assert questions["data_adaptive"].yes == "component-wise (layer) with an encoder of the data"
    assert questions["dynamic_architecture"].yes == "component-wise (layer), or hd.GraphHypernet"
    assert (questions["parameter_efficiency"].yes, questions["parameter_efficiency"].no) == (
        "chunk-wise (4096)",
        "component-wise (layer)",
    )
    (related,) = open_questions(rows, facts, replace(ALL_NO, related=None))
    assert (related.yes, related.no) == ("component-wise (layer)", "separate networks")
    assert open_questions(rows, facts, ALL_NO) == ()
