"""The figures of a search: how it went, and what each setting did."""

from typing import Any

from hyperdnn.lab.report._figures import curves
from hyperdnn.lab.report._format import heading, shown
from hyperdnn.lab.report._svg import Figure, canvas, logarithmic, svg
from hyperdnn.lab.tuning._result import Tuning
from hyperdnn.lab.tuning._space import Choice

__all__ = ["figures"]

_BLUE, _ORANGE = "#0072b2", "#e69f00"


def figures(tuning: Tuning) -> list[Figure]:
    """The best value over time, each setting against the value, and what mattered; nothing for a search without one.

    Args:
        tuning: all of it.
    """
    if not tuning.ranked:
        return []
    made = [_history(tuning), *(_setting(tuning, name) for name in tuning.space)]
    return [*made, _importance(tuning)] if tuning.importance else made


def _history(tuning: Tuning) -> Figure:
    metric, better = tuning.metric.partition("/")[2], max if tuning.direction == "maximize" else min
    values = [None if trial.value is None else shown(metric, trial.value) for trial in tuning.trials]
    best: list[float | None] = []
    for value in values:
        known = [v for v in (value, *best[-1:]) if v is not None]
        best.append(better(known) if known else None)
    return curves(
        {"best so far": best, "trial": values},
        title="The search",
        caption="Trials in their order; a gap is a training that left the numbers. A line that still moves at the end "
        "wants more trials.",
        xlabel="finished trials",
        ylabel=heading(metric),
    )


def _setting(tuning: Tuning, name: str) -> Figure:
    """One dot for each trial: the setting to the right, the metric upwards."""
    metric, values = tuning.metric.partition("/")[2], tuning.space[name]
    best, *others = tuning.ranked
    with canvas() as (figure, axes):

        def draw(trials: list[Any], colour: str, size: int) -> None:
            places = [trial.settings[name] for trial in trials]
            if isinstance(values, Choice):
                places = [values.texts.index(place) for place in places]
            axes.scatter(places, [shown(metric, trial.value) for trial in trials], color=colour, s=size)

        draw(others, _BLUE, 18)
        draw([best], _ORANGE, 40)
        if isinstance(values, Choice):
            axes.set_xticks(range(len(values.texts)), values.texts)
            axes.set_xlim(-0.5, len(values.texts) - 0.5)
        elif values.log:
            logarithmic(axes, "x")
        axes.set_xlabel(name)
        axes.set_ylabel(heading(metric))
        chosen = best.settings[name]
        return Figure(
            title=f"What {name} did",
            caption="One dot for each trial, the best one in orange, at "
            f"{format(chosen, '.4g') if isinstance(chosen, float) else chosen}.",
            alt=f"Scatter plot of {heading(metric)} over {name} for {len(tuning.ranked)} trials.",
            image=svg(figure),
        )


def _importance(tuning: Tuning) -> Figure:
    names = [*tuning.importance][::-1]
    with canvas() as (figure, axes):
        axes.barh(names, [100 * tuning.importance[name] for name in names], height=0.6, color=_BLUE)
        axes.set_xlim(0, 100)
        axes.set_xlabel("importance (%)")
        return Figure(
            title="What mattered",
            caption="The share of each setting in what the best trials have in common (PED-ANOVA). Settings count one "
            "at a time; few trials say little.",
            alt=f"Bars of the importance of {', '.join(tuning.importance)}.",
            image=svg(figure),
        )
