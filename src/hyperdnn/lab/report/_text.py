"""The figures of systems that read a text character by character."""

from collections.abc import Mapping, Sequence

from hyperdnn.lab.report._figures import curves, say_empty
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure, canvas, svg

__all__ = ["over_text", "text_figures"]

_GATES = ("enter", "forget", "new", "leave")
_SHOWN = {" ": "␣", "\n": "⏎", "\t": "⇥"}


def text_figures(results: Results) -> list[Figure]:
    """How reading was learnt, and how generated weights change from character to character.

    Read from the arrays ``curve``, ``scales_over_text`` and ``text`` of each variant, which are those of the first
    seed; a figure without its arrays is left out.

    Args:
        results: one experiment.
    """
    arrays = results["arrays"]
    lines = {variant: found["curve"] for variant, found in arrays.items() if found.get("curve")}
    figures = []
    if lines:
        figures.append(
            curves(
                lines,
                title="Learning curves",
                caption="On the text that is being trained on, before each step has learnt from it.",
                xlabel=f"updates, in units of {results['config']['train']['log_every']}",
                ylabel="bits per character",
            )
        )
    figures += [
        over_text(
            dict(zip(_GATES, found["scales_over_text"], strict=True)),
            found["text"],
            title=f"Scales of the recurrent weights' rows: {variant}",
            caption="Of each gate the units whose scales vary most, while the text below is read for a test. In a "
            "plain network every row would have one colour.",
            ylabel="gate and unit",
        )
        for variant, found in arrays.items()
        if found.get("scales_over_text")
    ]
    return figures


def over_text(
    groups: Mapping[str, Sequence[Sequence[float]]],
    text: Sequence[str],
    *,
    title: str,
    caption: str = "",
    ylabel: str,
) -> Figure:
    """Numbers that change from character to character: characters across, units down.

    Args:
        groups: name -> one row for each of its units, in which there is one number for each character.
        text: the characters.
        title: above the picture.
        caption: below it.
        ylabel: what the rows are.
    """
    cells = [list(row) for rows in groups.values() for row in rows]
    with canvas() as (figure, axes):
        if cells and text:
            image = axes.imshow(cells, cmap="cividis", aspect="auto", interpolation="nearest")
            figure.colorbar(image, ax=axes, shrink=0.8).outline.set_visible(False)
            start, middles = 0, []
            for rows in groups.values():
                middles.append(start + (len(rows) - 1) / 2)
                start += len(rows)
                if start < len(cells):
                    axes.axhline(start - 0.5, color="#ffffff", linewidth=1.5)
            axes.set_yticks(middles, list(groups))
            axes.set_xticks(range(len(text)), [_SHOWN.get(character, character) for character in text])
            axes.tick_params(length=0)
            axes.tick_params(axis="x", labelsize=5, pad=1)
            axes.spines[:].set_visible(False)
        else:
            say_empty(axes)
        axes.set_ylabel(ylabel)
        alt = f"Heat map of {len(cells)} rows over {len(text)} characters. {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))
