import math

import pytest

from hyperdnn.lab.report import Results, Summary, Verdict, summarise


def _metrics(during: float, final: float) -> dict[str, Summary]:
    return {
        "during_accuracy": summarise([during, during + 0.002]),
        "final_accuracy": summarise([final, final + 0.002]),
        "forgetting": summarise([during - final]),
        "trained_parameters": summarise([12345.0]),
    }


def _claim(metric: str, *, holds: bool, published: float | None = None) -> Verdict:
    return Verdict(
        text=f"Claim about {metric}.",
        metric=metric,
        at_least=0.94,
        at_most=None,
        measured=0.95,
        published=published,
        source="table 1" if published else "",
        holds=holds,
    )


@pytest.fixture
def results() -> Results:
    """Two variants, two seeds, three tasks; the baseline lacks embeddings and one claim fails."""
    return Results(
        recipe="continual/task_conditioned",
        setting="permuted_digits",
        config={"beta": 0.1, "lookahead": True, "target": [100, 100], "train": {"lr": 0.001}},
        seeds=[0, 1],
        commit=None,
        versions={"hyperdnn": "0.1.0", "torch": "2.13.0", "python": "3.11.7"},
        threads=2,
        device="cpu",
        wall_time_s=61.7,
        metrics={
            "hypernet": {**_metrics(0.96, 0.95), "generated_parameters": summarise([999.0])},
            "fine-tuning": _metrics(0.97, 0.35),
        },
        arrays={
            "hypernet": {
                "accuracy_matrix": [[0.9, math.nan, None], [0.8, 0.9, None], [0.7, 0.8, 0.9]],
                "task_embeddings": [[0.0, 1.0, 2.0], [1.0, 0.0, 2.0], [3.0, 1.0, 0.0]],
            },
            "fine-tuning": {"accuracy_matrix": [[0.9, None, None], [0.5, 0.9, None], [0.2, 0.4, 0.9]]},
        },
        claims=[
            _claim("hypernet/final_accuracy", holds=True, published=95.05),
            _claim("fine-tuning/final_accuracy", holds=False),
            _claim("hypernet/forgetting", holds=True),
        ],
        reproduced=False,
    )
