import pytest

from hyperdnn.lab.report import Record, Results, markdown, summarise, table


def test_one_row_for_each_variant(results: Results) -> None:
    lines = table(results, width=140).splitlines()
    hypernet, tuned = (
        next(line for line in lines if line.split()[:1] == [name]) for name in ("hypernet", "fine-tuning")
    )
    assert hypernet.split()[1:] == ["96.10", "±", "0.14", "95.10", "±", "0.14", "1.00", "12,345", "999"]
    assert tuned.split()[-2:] == ["12,345", "\N{EN DASH}"]


def test_claims_follow_with_their_verdicts(results: Results) -> None:
    lines = table(results, width=140).splitlines()
    assert lines[-3:] == [
        "✓ Claim about hypernet/final_accuracy.",
        "✗ Claim about fine-tuning/final_accuracy.",
        "✓ Claim about hypernet/forgetting.",
    ]


def test_fits_the_terminal(results: Results) -> None:
    assert max(map(len, table(results, width=80).splitlines())) <= 80


@pytest.mark.parametrize("width", [20, 60, 80])
def test_numbers_are_never_broken(results: Results, width: int) -> None:
    text = table(results, width=width)
    assert "95.10 ± 0.14" in text
    assert "12,345" in text


def test_names_are_text_and_not_markup(results: Results) -> None:
    results["metrics"] = {"[bold]odd[/bold]": results["metrics"]["hypernet"]}
    assert "[bold]odd[/bold]" in table(results, width=200)


def test_nothing_measured_is_no_error(results: Results) -> None:
    assert "variant" in table({**results, "metrics": {}, "claims": []}, width=80)


def test_markdown_has_a_row_for_each_claimed_metric(results: Results) -> None:
    record = Record(recipe=results["recipe"], experiments=[results], reproduced=False)
    head, rule, accuracy, forgetting = markdown([record]).splitlines()
    assert head.count("|") == rule.count("|") == accuracy.count("|") == 9
    cells = [cell.strip() for cell in accuracy.split("|")[1:-1]]
    assert cells == [
        "continual/task_conditioned",
        "permuted_digits",
        "accuracy at the end (%)",
        "95.10 ± 0.14",
        "fine-tuning 35.10 ± 0.14",
        "95.05",
        "not reproduced",
        "`hyperdnn reproduce continual/task_conditioned --setting permuted_digits --seeds 2`",
    ]
    assert "| reproduced |" in forgetting


def test_a_setting_in_which_a_claim_need_not_hold_says_so(results: Results) -> None:
    failed = {**results["claims"][0], "holds": False}
    several = {**failed, "settings": ["default", "small", "large"], "hold": 2}
    for claims, outcome in [
        ([failed], "| not reproduced |"),
        ([several], "| not in this setting; claimed in 2 of 3 settings |"),
    ]:
        text = markdown([{"recipe": "a/b", "experiments": [{**results, "claims": claims}], "reproduced": True}])
        assert outcome in text


def test_a_published_difference_does_not_stand_beside_our_number(results: Results) -> None:
    claim = {**results["claims"][0], "published": 12.34}
    for against, shown in [({}, True), ({"minus": "plain/final_accuracy"}, False), ({"over": "plain/x"}, False)]:
        compared = {**results, "claims": [{**claim, **against}]}
        text = markdown([{"recipe": "a/b", "experiments": [compared], "reproduced": True}])
        assert ("| 12.34 |" in text) is shown


def test_seconds_stand_beside_the_metrics(results: Results) -> None:
    timed = {**results, "seconds": {"hypernet": summarise([2.0, 4.0])}}
    assert "seconds" in table(timed, width=200)
    assert "3 ± 1.414" in table(timed, width=200)


def test_markdown_survives_gaps(results: Results) -> None:
    bare = {**results, "metrics": {}, "arrays": {}}
    unclaimed = {**results, "claims": [], "reproduced": None}
    assert len(markdown([Record(recipe="a", experiments=[bare, unclaimed], reproduced=False)]).splitlines()) == 2
    assert len(markdown([]).splitlines()) == 2
