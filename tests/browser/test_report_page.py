"""The report page in a real browser: nothing is loaded from outside, nothing is cut off."""

import math
from pathlib import Path
from typing import Any

import pytest

from hyperdnn.lab import report

from .every_page import EveryPage

TASKS = 10


def _variant(kept: float, trained: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics and arrays of a method that keeps a share of its accuracy with every further task."""
    matrix = [
        [0.1 + 0.87 * kept ** (row - task) if task <= row else None for task in range(TASKS)] for row in range(TASKS)
    ]
    final = sum(matrix[-1]) / TASKS
    metrics = {
        "during_accuracy": report.summarise([0.97, 0.969, 0.971]),
        "final_accuracy": report.summarise([final, final - 0.004, final + 0.004]),
        "forgetting": report.summarise([0.97 - final, 0.973 - final, 0.967 - final]),
        "trained_parameters": report.summarise([trained] * 3),
    }
    return metrics, {"accuracy_matrix": matrix}


@pytest.fixture(scope="module")
def results() -> report.Results:
    runs = {
        "hypernet": _variant(0.999, 91_234),
        "fine-tuning": _variant(0.8, 89_610),
        "hypernet without regularisation": _variant(0.7, 91_234),
        "joint training (upper bound)": _variant(1.0, 89_610),
    }
    metrics = {name: run[0] for name, run in runs.items()}
    metrics["hypernet"]["generated_parameters"] = report.summarise([89_610] * 3)
    arrays = {name: run[1] for name, run in runs.items()}
    arrays["hypernet"]["task_embeddings"] = [[math.sin(task * (k + 1)) for k in range(8)] for task in range(TASKS)]
    return report.Results(
        recipe="continual/task_conditioned",
        setting="permuted_mnist",
        summary="A hypernet keeps old tasks by keeping the weights that it generates for them.",
        config={"source": "mnist", "tasks": TASKS, "target": [100, 100], "beta": 0.1, "train": {"lr": 1e-3}},
        seeds=[0, 1, 2],
        commit="0123456789abcdef0123456789abcdef01234567",
        versions={"hyperdnn": "0.1.0", "torch": "2.13.0", "python": "3.11.7"},
        threads=2,
        device="cpu",
        wall_time_s=754.3,
        metrics=metrics,
        arrays=arrays,
        claims=[
            {
                "text": "The hypernet keeps ten permuted tasks almost as well as it learnt them.",
                "metric": "hypernet/final_accuracy",
                "at_least": 0.94,
                "at_most": None,
                "measured": metrics["hypernet"]["final_accuracy"]["mean"],
                "published": 95.05,
                "source": "table 1, small network",
                "holds": True,
            },
            {
                "text": "Plain fine-tuning forgets.",
                "metric": "fine-tuning/final_accuracy",
                "at_least": None,
                "at_most": 0.4,
                "measured": metrics["fine-tuning"]["final_accuracy"]["mean"],
                "published": None,
                "source": "",
                "holds": False,
            },
        ],
        reproduced=False,
    )


@pytest.fixture(scope="module")
def page_file(results: report.Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.write_page(results, tmp_path_factory.mktemp("run"), report.continual_figures(results))


class TestPage(EveryPage):
    figures = 7  # curve, bars, four matrices, one plane of embeddings


def test_table_shows_every_number(page: Any, results: report.Results) -> None:
    rows = page.locator("table.metrics tbody tr")
    assert rows.count() == len(results["metrics"])
    mean = results["metrics"]["hypernet"]["final_accuracy"]["mean"]
    assert f"{100 * mean:.2f} ± 0.40" in rows.first.inner_text()
    assert "91,234" in rows.first.inner_text()


def test_verdicts_are_said_in_words(page: Any) -> None:
    assert page.locator("header .verdict").inner_text() == "✗ not reproduced"
    assert page.locator(".claims .verdict").all_inner_texts() == ["✓ holds", "✗ does not hold"]


@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 22, 26)")])
def test_follows_the_reader_s_colour_scheme(page: Any, scheme: str, paper: str) -> None:
    page.emulate_media(color_scheme=scheme)
    ink, background = page.evaluate(
        "[getComputedStyle(document.querySelector('figure svg text')).fill,"
        " getComputedStyle(document.body).backgroundColor]"
    )
    assert background == paper
    assert ink == page.evaluate("getComputedStyle(document.body).color")
