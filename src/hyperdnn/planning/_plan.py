"""Every strategy for one target, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.layout import Selector
from hyperdnn.planning._advice import advice
from hyperdnn.planning._cost import Row, row
from hyperdnn.planning._needs import Needs
from hyperdnn.planning._recommend import Facts, Question, Recommendation, open_questions, recommend
from hyperdnn.planning._strategies import FEATURES, strategies
from hyperdnn.planning._subject import Subject
from hyperdnn.planning._table import render
from hyperdnn.targets import Target

__all__ = ["Plan", "plan"]


@final
@dataclass(frozen=True, kw_only=True)
class Plan:
    """What each strategy would cost for one target, and which fits; print it.

    Args:
        target: class of the module.
        layers: how many have generated parameters.
        facts: sizes.
        hidden: width of the hypernets' body.
        threads: of the measured times.
        needs: the answers to the five questions.
        rows: the strategies that apply.
        refused: the others by name, with the reason.
        recommendation: what to train, and why.
        questions: open ones, with what their answers would change.
        advice: how to go on with the recommended hypernet.
    """

    target: str
    layers: int
    facts: Facts
    hidden: int
    threads: int
    needs: Needs
    rows: tuple[Row, ...]
    refused: dict[str, str]
    recommendation: Recommendation
    questions: tuple[Question, ...]
    advice: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values."""
        return {
            "target": self.target,
            "layers": self.layers,
            **self.facts.to_json(),
            "hidden": self.hidden,
            "threads": self.threads,
            "needs": self.needs.to_json(),
            "rows": [each.to_json() for each in self.rows],
            "refused": dict(self.refused),
            "recommendation": self.recommendation.to_json(),
            "questions": [question.to_json() for question in self.questions],
            "advice": list(self.advice),
        }

    def __str__(self) -> str:
        return render(self)


_MOST, _WIDEST = 10**18, 10**6


def plan(
    target: Target | nn.Module,
    *,
    contexts: int,
    budget: int | None = None,
    needs: Needs | None = None,
    select: Selector | Sequence[Selector] = "*",
    hidden: int = 64,
) -> Plan:
    """Compare every strategy for a target, and recommend one, or plain networks where these serve better.

    Nothing is built that does not fit: numbers are counted on hypernets without storage, and only small ones are run
    for their time. The target is looked at, not taken over; random generators stay as they are.

    All hypernets read a `Table` of task embeddings and have a two-layer body, as those of ``HyperDNN.for_tasks``.

    Args:
        target: a plain module, or a `Target` that took it over; modules on the meta device will do.
        contexts: how many there will be.
        budget: trained numbers at most.
        needs: answers to the five questions of the review; those left open are returned with what they would change.
        select: which parameters of a plain module are generated.
        hidden: width of the body.

    Raises:
        ConfigError: for a size below one, or beyond what torch counts with, or a selection from a `Target`.
        LayoutError: if there is nothing to generate.

    Source:
        Chauhan, Zhou, Lu, Molaei & Clifton, "A Brief Review of Hypernetworks in Deep Learning", Artificial Intelligence
        Review 2024, table 1 and section 5.
    """
    for name, size in {"contexts": contexts, "budget": budget, "hidden": hidden}.items():
        most = _WIDEST if name == "hidden" else _MOST
        if size is not None and (not isinstance(size, int) or not 1 <= size <= most):
            raise ConfigError(f"plan: {name}={size!r}, expected a whole number from 1 to {most:,}.")
    needs = needs or Needs()
    subject = Subject.of(target, select)
    facts = _facts(subject, contexts, budget)
    body = 2 * FEATURES * hidden + hidden + hidden * hidden + hidden
    room = None if budget is None else budget - facts.always - body
    found, refused = strategies(subject, hidden, room)
    rows = tuple(row(strategy, subject, contexts=contexts, hidden=hidden) for strategy in found)
    recommendation = recommend(rows, facts, needs)
    fits = recommendation.row
    return Plan(
        target=subject.name,
        layers=subject.layers,
        facts=facts,
        hidden=hidden,
        threads=torch.get_num_threads(),
        needs=needs,
        rows=rows,
        refused=refused,
        recommendation=recommendation,
        questions=open_questions(rows, facts, needs),
        advice=tuple(advice(fits, subject, needs, contexts=contexts, hidden=hidden)) if fits else (),
    )


def _facts(subject: Subject, contexts: int, budget: int | None) -> Facts:
    weights = subject.replaced.numel
    return Facts(
        weights=weights,
        contexts=contexts,
        separate=contexts * weights + subject.kept,
        one=weights + subject.kept,
        always=contexts * FEATURES + subject.kept,
        budget=budget,
    )
