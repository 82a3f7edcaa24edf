"""Pictures side by side: images at several resolutions, and the kernels of convolutions."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from hyperdnn.lab.report._figures import bars_with_intervals, say_empty
from hyperdnn.lab.report._results import Results
from hyperdnn.lab.report._svg import Figure, canvas, svg

__all__ = ["gallery", "kernel_figures", "resolution_figures"]

Picture: TypeAlias = Sequence[Sequence[float | int]]

_GAP: Final = 0.04  # between pictures, in their width
_WHITE: Final = 255


def gallery(columns: Mapping[str, Sequence[Picture]], *, title: str, caption: str = "") -> Figure:
    """Grey pictures in a grid, each as wide as the others whatever its resolution; pixels are shown as squares.

    Args:
        columns: name -> pictures from top to bottom, numbers from 0 (black) to 255.
        title: above the picture.
        caption: below it.
    """
    rows = max(map(len, columns.values()), default=0)
    with canvas() as (figure, axes):
        for k, pictures in enumerate(columns.values()):
            for row, picture in enumerate(pictures):
                extent = (k, k + 1 - _GAP, row + 1 - _GAP, row)
                axes.imshow(picture, cmap="gray", vmin=0, vmax=_WHITE, extent=extent, interpolation="nearest")
        if rows:
            axes.set_xlim(0, len(columns) - _GAP)
            axes.set_ylim(rows - _GAP, 0)
            axes.set_xticks([k + (1 - _GAP) / 2 for k in range(len(columns))], list(columns))
            axes.xaxis.tick_top()
            axes.set_yticks([])
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
        else:
            say_empty(axes)
        alt = f"{rows} rows of pictures: {', '.join(columns) or 'nothing'}. {title}."
        return Figure(title=title, caption=caption, alt=alt, image=svg(figure))


def resolution_figures(results: Results) -> list[Figure]:
    """Images as they were given, as each variant enlarges them, and as they are: one figure for each factor.

    Read from the arrays ``given``, ``original`` and ``enlarged_<factor>`` of the variants, which are those of the first
    seed: each a list of grey pictures from 0 to 255.

    Args:
        results: one experiment.
    """
    ends: dict[str, Sequence[Picture]] = {}
    by_factor: dict[str, dict[str, Sequence[Picture]]] = {}
    for variant, arrays in results["arrays"].items():
        ends |= {name: arrays[name] for name in ("given", "original") if name in arrays}
        for name, pictures in arrays.items():
            if name.startswith("enlarged_"):
                by_factor.setdefault(name.removeprefix("enlarged_"), {})[variant] = pictures
    given, original = ({name: one for name, one in ends.items() if name == end} for end in ("given", "original"))
    return [
        gallery(
            {**given, **found, **original},
            title=f"Images enlarged by {factor}",
            caption="Each picture is as wide as the others; it has as many pixels as it was asked for.",
        )
        for factor, found in by_factor.items()
    ]


def kernel_figures(results: Results) -> list[Figure]:
    """The error of every variant, and the kernels that it ended with.

    Read from the metric ``error``, a fraction, with its spread over the seeds, and from the array ``kernels`` of the
    first seed, ``(outputs, inputs, height, width)``, of any range.

    Args:
        results: one experiment.
    """
    errors = {
        variant: (100 * metrics["error"]["mean"], 100 * (metrics["error"]["spread"] or 0.0))
        for variant, metrics in results["metrics"].items()
        if "error" in metrics
    }
    caption = "Mean and standard deviation over the seeds."
    figures = [bars_with_intervals(errors, title="Error", caption=caption, ylabel="error (%)")] if errors else []
    for variant, arrays in results["arrays"].items():
        if "kernels" in arrays:
            caption = (
                "One picture for each pair of an output (down) and an input channel (across), on one scale of grey."
            )
            figures.append(_kernels(arrays["kernels"], title=f"Kernels: {variant}", caption=caption))
    return figures


def _kernels(kernels: Sequence[Sequence[Picture]], *, title: str, caption: str) -> Figure:
    """Kernels ``outputs x inputs`` in the greys between the lowest number and the highest."""
    numbers = [value for row in kernels for kernel in row for line in kernel for value in line]
    low, span = min(numbers), max(max(numbers) - min(numbers), 1e-12)
    grey = [[[[_WHITE * (v - low) / span for v in line] for line in kernel] for kernel in row] for row in kernels]
    columns = {str(k + 1): column for k, column in enumerate(zip(*grey, strict=True))}
    return gallery(columns, title=title, caption=caption)
