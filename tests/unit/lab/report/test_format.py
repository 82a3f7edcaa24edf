import math

import pytest

from hyperdnn.lab.report import Results, summarise
from hyperdnn.lab.report import _format as module


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("final_accuracy", "accuracy at the end (%)"),
        ("test_accuracy", "test accuracy (%)"),
        ("forgetting", "forgetting (points)"),
        ("trained_parameters", "trained parameters"),
        ("hyper_volume", "hyper volume"),
    ],
)
def test_headings_are_words_with_units(metric: str, name: str) -> None:
    assert module.heading(metric) == name


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("final_accuracy", 0.95054, "95.05"),
        ("forgetting", -0.001, "-0.10"),
        ("trained_parameters", 91234.0, "91,234"),
        ("hyper_volume", 0.123456, "0.1235"),
        ("final_accuracy", math.nan, module.MISSING),
        ("final_accuracy", None, module.MISSING),
    ],
)
def test_numbers_have_the_unit_of_their_heading(metric: str, value: float | None, text: str) -> None:
    assert module.number(metric, value) == text


def test_spread_is_shown_where_there_is_one() -> None:
    assert module.describe("final_accuracy", summarise([0.9, 0.92])) == "91.00 ± 1.41"
    assert module.describe("final_accuracy", summarise([0.9])) == "90.00"
    assert module.describe("trained_parameters", summarise([5.0, 5.0])) == "5"
    assert module.describe("final_accuracy", summarise([0.9, math.nan])) == module.MISSING
    assert module.describe("final_accuracy", None) == module.MISSING


def test_bounds_read_as_an_interval() -> None:
    assert module.interval("final_accuracy", 0.94, None) == "≥ 94.00"
    assert module.interval("forgetting", 0.0, 0.01) == "≥ 0.00, ≤ 1.00"
    assert module.interval("forgetting", None, None) == module.MISSING


def test_published_figures_are_quoted_as_printed() -> None:
    assert module.published(95.05) == "95.05"
    assert module.published(None) == module.MISSING


def test_columns_are_the_union_in_order() -> None:
    assert module.columns({"a": {"x": 1, "y": 2}, "b": {"y": 3, "z": 4}}) == ["x", "y", "z"]
    assert module.columns({}) == []


def test_command_names_the_setting_unless_it_is_the_default(results: Results) -> None:
    expected = "hyperdnn reproduce continual/task_conditioned"
    assert module.command(results) == f"{expected} --setting permuted_digits --seeds 2"
    assert module.command({**results, "setting": "default"}) == f"{expected} --seeds 2"


def test_configuration_values_are_plain_words() -> None:
    assert [module.plain(value) for value in (True, None, [100, 100], 0.1)] == [
        "yes",
        module.MISSING,
        "100, 100",
        "0.1",
    ]


def test_an_interval_has_the_unit_of_its_metric() -> None:
    assert module.heading("accuracy_interval") == "accuracy interval (%)"
    assert module.number("accuracy_interval", 0.0123) == "1.23"
    assert module.heading("outside_auroc_interval") == "outside auroc interval"


@pytest.mark.parametrize(
    ("metric", "value", "bounds", "text"),
    [
        ("accuracy", 0.002975, (0.003, None), "0.298"),
        ("accuracy", 0.0032, (0.003, None), "0.32"),
        ("accuracy", 0.003, (0.003, None), "0.30"),
        ("loss", 1.00001, (None, 1.0), "1.00001"),
        ("loss", 1 + 1e-15, (None, 1.0), "1"),
        ("trained_parameters", 4244.0, (4244.0, 4244.0), "4,244"),
        ("loss", math.nan, (None, 1.0), module.MISSING),
    ],
)
def test_a_number_is_told_apart_from_its_bounds(metric: str, value: float, bounds: tuple, text: str) -> None:
    assert module.beside(metric, value, bounds) == text
