"""The rules: whether a hypernet fits, and which. Each is a sentence with its reason."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, final

from hyperdnn.planning._cost import Row
from hyperdnn.planning._needs import QUESTIONS, Needs
from hyperdnn.planning._strategies import FULL_HEAD_LIMIT

__all__ = ["Facts", "Question", "Recommendation", "Use", "open_questions", "recommend"]

Use: TypeAlias = Literal["hypernet", "separate networks", "one network"]
"""What to train: a hypernet, a plain network for each context, or a single plain network."""

LARGE = 10_000_000
"""Weights from which on generating all of them for each context is the exception."""

_WHY = {
    "generate once": "One map makes all weights at once: among the lowest losses in docs/strategies.md "
    "(0.218), paid with hidden numbers for each weight.",
    "component-wise (layer)": "Layers of equal shapes share a map and each comes whole: a loss of 0.226 in "
    "docs/strategies.md.",
    "chunk-wise": "The head does not grow with the target, but cuts through layers: a loss of 0.293 in "
    "docs/strategies.md, against 0.218 of generate once with 17 times as many trained numbers.",
    "low-rank": "Thin factors instead of matrices: a loss of 0.256 in docs/strategies.md.",
    "component-wise (row)": "One slot for each filter or unit: a small head that generates nothing in vain, but needs "
    "the most rows of features; a loss of 0.325 in docs/strategies.md.",
    "low-rank change": f"The target has more than {LARGE:,} weights: generate thin factors of a change and keep the "
    "weights themselves, as LoRA does.",
}
"""Each kind of strategy that is ever recommended, in order of preference, with the reason for it: the lowest losses
first, then three of which none is worse than the next by a fifth."""

_DYNAMIC = ("component-wise (layer)", "component-wise (row)")

_INSTEAD = {
    "data_adaptive": " with an encoder of the data",
    "dynamic_architecture": ", or hd.GraphHypernet",
    "uncertainty": " with noise as context",
}


@final
@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the rules look at beside rows and needs.

    Args:
        weights: of the target, that a hypernet would generate for one context.
        contexts: how many there are.
        separate: trained numbers of a network for each context; kept parameters are shared.
        one: trained numbers of a single network.
        always: trained numbers of every hypernet here: kept parameters and task embeddings.
        budget: trained numbers at most; None without a limit.
    """

    weights: int
    contexts: int
    separate: int
    one: int
    always: int
    budget: int | None

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values."""
        return asdict(self)


@final
@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to train, and why.

    Args:
        use: a hypernet or plain networks.
        row: the hypernet that fits best, also where plain networks serve better; None if none meets the budget.
        reasons: one sentence for each rule that decided.
    """

    use: Use
    row: Row | None
    reasons: tuple[str, ...]

    @property
    def answer(self) -> str:
        """The strategy, or the kind of plain network."""
        if self.use != "hypernet":
            return self.use
        return self.row.strategy if self.row else "no hypernet within the budget"

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values."""
        strategy = self.row.strategy if self.row else None
        return {"use": self.use, "strategy": strategy, "reasons": list(self.reasons)}


@final
@dataclass(frozen=True, kw_only=True)
class Question:
    """An open question of the review, and what would be recommended after either answer.

    Args:
        name: field of `Needs`.
        text: the question.
        yes: recommended then.
        no: recommended otherwise.
    """

    name: str
    text: str
    yes: str
    no: str

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values."""
        return asdict(self)


def open_questions(rows: Sequence[Row], facts: Facts, needs: Needs) -> tuple[Question, ...]:
    """Each unanswered question, answered both ways."""
    found = []
    for name in needs.open:
        yes, no = (recommend(rows, facts, needs.answered(name, yes=answer)) for answer in (True, False))
        instead = _INSTEAD.get(name, "") if yes.row else ""
        found.append(Question(name=name, text=QUESTIONS[name], yes=yes.answer + instead, no=no.answer))
    return tuple(found)


def recommend(rows: Sequence[Row], facts: Facts, needs: Needs) -> Recommendation:
    """Apply the rules.

    Args:
        rows: what each strategy costs.
        facts: sizes.
        needs: answers to the five questions.

    Source:
        Chauhan et al., "A Brief Review of Hypernetworks in Deep Learning", 2024, sections 3.2 and 5; losses are those
        measured for docs/strategies.md, with the MLP body.
    """
    row, reasons = _best(rows, facts, needs)
    why = _why_plain(row, facts, needs)
    if why is None:
        return Recommendation(use="hypernet", row=row, reasons=(*reasons, *_size(row, facts)))
    rather = () if row is None else (f"If it shall be a hypernet all the same: {row.strategy}.",)
    use: Use = "one network" if facts.contexts == 1 else "separate networks"
    return Recommendation(use=use, row=row, reasons=(why, *(rather or reasons)))


def _best(rows: Sequence[Row], facts: Facts, needs: Needs) -> tuple[Row | None, tuple[str, ...]]:
    """The hypernet that fits best, and why it and not a better one."""
    affordable = [row for row in rows if facts.budget is None or row.count.trained <= facts.budget]
    if not affordable:
        return None, (_over_budget(min(rows, key=_trained), facts),)
    limit, limit_is = _limit(facts, needs)
    fitting = [row for row in affordable if row.count.trained <= limit and row.kind in _WHY]
    if not fitting:
        return min(affordable, key=_trained), (f"No strategy trains at most {limit:,} numbers, {limit_is}.",)
    order = _order(facts, needs)
    row = next(row for kind in order for row in fitting if row.kind == kind)  # the first of a kind is the largest
    better = [r for kind in order[: order.index(row.kind)] for r in rows if r.kind == kind][:1]
    reasons = [f"{r.strategy} would train {r.count.trained:,} numbers: over {limit:,}, {limit_is}." for r in better]
    if needs.dynamic_architecture and row.kind in _DYNAMIC:
        reasons.append("Components of one kind share a map, as hd.GraphHypernet shares them between architectures too.")
    return row, (*(reason[0].upper() + reason[1:] for reason in reasons), _WHY[row.kind])


def _order(facts: Facts, needs: Needs) -> tuple[str, ...]:
    if needs.dynamic_architecture:
        return tuple(dict.fromkeys((*_DYNAMIC, *_WHY)))
    first = ("low-rank change",) if facts.weights > LARGE else ()
    return tuple(dict.fromkeys((*first, *_WHY)))


def _limit(facts: Facts, needs: Needs) -> tuple[int, str]:
    """Trained numbers at most, and what that number is."""
    if needs.parameter_efficiency:
        limit, limit_is = facts.separate - 1, "fewer than separate networks have"
        return (limit, limit_is) if facts.budget is None or limit < facts.budget else (facts.budget, "the budget")
    if facts.budget is not None:
        return facts.budget, "the budget"
    allowance = max(FULL_HEAD_LIMIT, facts.weights)
    return facts.always + allowance, f"the limit without a budget ({allowance:,} beside what every hypernet has)"


def _why_plain(row: Row | None, facts: Facts, needs: Needs) -> str | None:
    """Why plain networks serve better; None if a hypernet is in its place."""
    if needs.data_adaptive or needs.dynamic_architecture or needs.uncertainty:
        return None  # a network for each context is no answer to these
    saves = row is not None and row.count.trained < facts.separate
    if not needs.open and not any(asdict(needs).values()):
        return "All five questions of the review (section 5) are answered with no: nothing asks for a hypernet."
    if needs.parameter_efficiency and saves:
        return None
    if facts.contexts == 1:
        return f"There is one context: train its {facts.separate:,} numbers themselves."
    if needs.related is False:
        return "What is not related has nothing to learn from each other, which is what sharing a hypernet is for."
    networks = f"{facts.contexts:,} separate networks train {facts.separate:,} numbers"
    if row is None:
        return f"{networks}, within the budget." if facts.separate <= (facts.budget or 0) else None
    if saves or needs.related:
        return None
    times = row.count.trained / facts.separate
    return (
        f"{networks}, the hypernet {row.count.trained:,} ({times:.3g} times as many). Only what contexts learn from "
        "each other can outweigh that (related=True)."
    )


def _size(row: Row | None, facts: Facts) -> tuple[str, ...]:
    if row is None:
        return ()
    times = row.count.trained / facts.separate
    plain = "one network has" if facts.contexts == 1 else f"{facts.contexts:,} separate networks have"
    few = f"{100 * times:.2g} % of what" if times >= 0.001 else "less than a thousandth of what"
    return (
        f"It trains {row.count.trained:,} numbers, {f'{times:.3g} times as many as' if times >= 1 else few} {plain}.",
    )


def _over_budget(smallest: Row, facts: Facts) -> str:
    within = facts.budget is not None and facts.one <= facts.budget
    return (
        f"No strategy trains at most {facts.budget:,} numbers. The smallest is {smallest.strategy} with "
        f"{smallest.count.trained:,}, of which {facts.always:,} are task embeddings and kept parameters. Raise the "
        "budget to that, lower hidden, or generate fewer tensors (select)."
        + (f" One network for all contexts trains {facts.one:,}." if within else "")
    )


def _trained(row: Row) -> int:
    return row.count.trained
