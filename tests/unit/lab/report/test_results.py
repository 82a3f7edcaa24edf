import math

import pytest

from hyperdnn.lab import Claim
from hyperdnn.lab.report import all_hold, judge, summarise

METRICS = {"hypernet": {"final_accuracy": summarise([0.94, 0.96])}, "plain": {"final_accuracy": summarise([math.nan])}}


def claim(metric: str = "hypernet/final_accuracy", **bounds: float) -> Claim:
    return Claim(text="It works.", config="tiny", metric=metric, published=97.5, source="table 1", **bounds)


def test_spread_is_the_sample_standard_deviation() -> None:
    summary = summarise([1, 2, 3])
    assert summary == {"mean": 2.0, "spread": 1.0, "values": [1.0, 2.0, 3.0]}


def test_one_seed_has_no_spread() -> None:
    assert summarise([0.5]) == {"mean": 0.5, "spread": None, "values": [0.5]}


@pytest.mark.parametrize("values", [[1.0, math.nan], [math.inf, 1.0], [math.inf, -math.inf]])
def test_a_run_that_diverged_has_no_mean(values: list[float]) -> None:
    summary = summarise(values)
    assert math.isnan(summary["mean"])
    assert summary["spread"] is None


@pytest.mark.parametrize(
    ("bounds", "holds"),
    [
        ({"at_least": 0.95}, True),
        ({"at_least": 0.951}, False),
        ({"at_most": 0.95}, True),
        ({"at_most": 0.949}, False),
        ({"at_least": 0.9, "at_most": 0.99}, True),
        ({"at_least": 0.96, "at_most": 0.99}, False),
    ],
)
def test_mean_is_held_against_the_bounds(bounds: dict[str, float], holds: bool) -> None:
    verdicts, reproduced = judge([claim(**bounds)], METRICS)
    assert verdicts[0]["measured"] == pytest.approx(0.95)
    assert verdicts[0]["holds"] is holds
    assert reproduced is holds


def test_one_failed_claim_is_enough() -> None:
    verdicts, reproduced = judge([claim(at_least=0.5), claim(at_least=0.99)], METRICS)
    assert [verdict["holds"] for verdict in verdicts] == [True, False]
    assert reproduced is False


TWO = {"hypernet": {"loss": summarise([1.0, 2.0])}, "plain": {"loss": summarise([2.0, 4.0])}}


@pytest.mark.parametrize(("against", "measured"), [({"minus": "plain/loss"}, -1.5), ({"over": "plain/loss"}, 0.5)])
def test_a_claim_can_be_about_two_numbers(against: dict[str, str], measured: float) -> None:
    bounds = {"at_least": measured - 0.1, "at_most": measured + 0.1}
    made = Claim(text="Better.", config="tiny", metric="hypernet/loss", **against, **bounds)
    [verdict], reproduced = judge([made], TWO)
    assert verdict["measured"] == pytest.approx(measured)
    assert reproduced is True
    assert {name: verdict[name] for name in against} == against
    assert made.variants == ["hypernet", "plain"]


@pytest.mark.parametrize(
    ("hold", "values", "holds"),
    [
        (2, (1.0, 1.0, 0.0), True),
        (2, (1.0, 0.0, 0.0), False),
        (None, (1.0, 1.0, 1.0), True),
        (None, (1.0, 1.0, 0.0), False),
    ],
)
def test_a_claim_about_several_settings_holds_in_some(hold: int | None, values: tuple[float, ...], holds: bool) -> None:
    several = Claim(text="Mostly.", config=("a", "b", "c"), hold=hold, metric="hypernet/x", at_least=0.5)
    every = Claim(text="Always.", config="a", metric="hypernet/x", at_least=0.5)
    experiments = [
        {"claims": judge([several, every] if setting == "a" else [several], {"hypernet": {"x": summarise([x])}})[0]}
        for setting, x in zip("abc", values, strict=True)
    ]
    assert [experiment["claims"][0]["holds"] for experiment in experiments] == [bool(x) for x in values]
    assert all_hold(experiments) is holds


def test_where_some_settings_are_enough_other_claims_must_hold_all() -> None:
    several = Claim(text="Mostly.", config=("a", "b"), hold=1, metric="hypernet/x", at_least=0.5)
    every = Claim(text="Always.", config="b", metric="hypernet/x", at_least=0.5)
    good, bad = ({"hypernet": {"x": summarise([x])}} for x in (1.0, 0.0))
    assert not all_hold([{"claims": judge([several], good)[0]}, {"claims": judge([several, every], bad)[0]}])


def test_what_is_compared_with_nothing_does_not_hold() -> None:
    absent = Claim(text="Better.", config="tiny", metric="hypernet/loss", minus="absent/loss", at_most=0.0)
    zero = {"hypernet": {"loss": summarise([1.0])}, "plain": {"loss": summarise([0.0])}}
    ratio = Claim(text="Better.", config="tiny", metric="hypernet/loss", over="plain/loss", at_most=1.0)
    assert judge([absent], TWO)[1] is False
    assert judge([ratio], zero)[1] is False


@pytest.mark.parametrize("metric", ["hypernet/speed", "absent/final_accuracy", "plain/final_accuracy"])
def test_what_was_not_measured_supports_nothing(metric: str) -> None:
    verdicts, reproduced = judge([claim(metric, at_least=0.0)], METRICS)
    assert not verdicts[0]["holds"]
    assert reproduced is False


def test_a_verdict_repeats_the_claim() -> None:
    verdict = judge([claim(at_least=0.9)], METRICS)[0][0]
    assert verdict["text"] == "It works."
    assert (verdict["at_least"], verdict["at_most"]) == (0.9, None)
    assert (verdict["published"], verdict["source"]) == (97.5, "table 1")


def test_no_claims_prove_nothing() -> None:
    assert judge([], METRICS) == ([], None)
