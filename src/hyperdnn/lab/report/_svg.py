"""SVG that takes its ink from the page, so that one picture reads in light, in dark and in print."""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

from hyperdnn.errors import MissingExtraError

__all__ = ["INK", "Figure", "canvas", "logarithmic", "svg"]

_DECADES: Final = 100  # from the lowest to the highest number
_SIZE: Final = (4.8, 3.4)  # inches; two such figures side by side on a desk, one on a phone, both readable
INK: Final = "#010203"  # stands for the page's own text colour until the SVG is written
_STYLE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "hyperdnn",  # the same figure is the same file
        "font.size": 8,
        "text.color": INK,
        "text.parse_math": False,  # a name with dollar signs is a name
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": INK,
        "ytick.color": INK,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
    }
)


@final
@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture for the report page.

    Args:
        title: above the picture.
        caption: below it: what to see.
        alt: in place of it, for readers who do not see it.
        image: SVG markup, as `svg` makes it from any matplotlib figure, or the bytes of a PNG file.
    """

    title: str
    caption: str
    alt: str
    image: str | bytes


@contextmanager
def canvas() -> Iterator[tuple[Any, Any]]:
    """A figure of one plot in the page's style, as long as it is drawn.

    It is made without pyplot: no window system, no list of open figures.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise MissingExtraError("matplotlib", extra="lab") from error
    with rc_context(dict[Any, Any](_STYLE)):
        figure = Canvas(figsize=_SIZE)
        yield figure, figure.add_subplot()


def logarithmic(axes: Any, *names: str) -> None:
    """Scale these axes of a plot, ``"x"`` or ``"y"``, by their logarithm, once their limits are known."""
    from matplotlib.ticker import LogLocator

    for name in names:
        axes.set(**{f"{name}scale": "log"})
        axis = getattr(axes, f"{name}axis")
        low, high = sorted(getattr(axes, f"get_{name}lim")())
        if high / low < _DECADES:
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # powers of ten alone would be one or two
        axis.set_major_formatter("{x:g}")  # matplotlib's own would need its mathematics
        axis.set_minor_formatter("")


def svg(figure: Any) -> str:
    """A matplotlib figure as SVG markup for the page: transparent, as wide as its place, free of metadata."""
    stream = io.StringIO()
    # the dots are those of images inside the SVG, such as a heat map's cells: sharp on a dense screen
    figure.savefig(stream, format="svg", dpi=216, transparent=True, metadata={"Date": None})
    markup = stream.getvalue()
    opening, rest = markup[markup.index("<svg") :].split(">", 1)
    opening = re.sub(r'\s(width|height)="[^"]*"', "", opening)
    # inside a page, a style sheet would reach out of the figure
    rest = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", rest, flags=re.DOTALL)
    return f"{opening}>{rest}".strip().replace(INK, "currentColor")
