"""The figures of systems that adapt a language model to voices."""

from collections.abc import Mapping, Sequence

from hyperdnn.lab.report._figures import colour, name_colours
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure, canvas, svg

__all__ = ["voice_figures"]


def voice_figures(results: Results, *, shown: Mapping[str, str]) -> list[Figure]:
    """What adapting gains for each new voice, of several ways beside each other.

    Read from the arrays ``voices`` and ``<name>_by_voice`` of the variants, which are those of the first seed. What was
    not run is left out, and with it the figure if that is everything.

    Args:
        results: one experiment.
        shown: what it is called -> ``"<variant>/<name>"``, six at most, so that each has a colour.
    """
    arrays = results["arrays"]
    gains = {}
    for label, place in shown.items():
        variant, _, name = place.partition("/")
        values = arrays.get(variant, {}).get(f"{name}_by_voice")
        if values:
            gains[label] = values
    voices: Sequence[str] = next((found["voices"] for found in arrays.values() if found.get("voices")), [])
    return [_gains(voices, gains)] if voices and gains else []


def _gains(voices: Sequence[str], gains: Mapping[str, Sequence[float | None]]) -> Figure:
    """A row for each voice, a mark in it for each way."""
    places = range(len(voices))
    with canvas() as (figure, axes):
        axes.axvline(0, linewidth=0.6, color="#808080", zorder=0)
        for k, (name, values) in enumerate(gains.items()):
            numbers = [float("nan") if value is None else value for value in values]
            axes.scatter(numbers, places, s=18, alpha=0.8, linewidths=0, color=colour(k), label=name)
        name_colours(figure, gains)
        axes.set_yticks(places, list(voices))
        axes.invert_yaxis()
        axes.grid(axis="y", linewidth=0.3)
        axes.set_xlabel("gain over the base (nats for each character)")
        axes.set_ylabel("new voice")
        return Figure(
            title="New voices, one by one",
            caption="How much lower the loss is than without LoRA; left of the line it is higher.",
            alt=f"Gains over the base for {len(voices)} voices by {', '.join(gains)}.",
            image=svg(figure),
        )
