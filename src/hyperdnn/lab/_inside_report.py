"""The page of what is inside a trained model."""

from collections.abc import Iterator
from pathlib import Path

from hyperdnn.inspect import Map
from hyperdnn.lab import report
from hyperdnn.lab._inside import Inside
from hyperdnn.lab._trained import Trained
from hyperdnn.lab.report import Figure, InsidePage, Section

__all__ = ["sections", "write_page"]


def write_page(found: Inside, model: Trained, path: Path, *, made_by: str) -> Path:
    """Write everything that was measured as one page.

    Args:
        found: what `inside` measured.
        model: of which.
        path: of the page.
        made_by: the command that makes it again.

    Returns:
        The path.
    """
    whole, view = found.statistics.whole, found.view
    page = InsidePage(
        recipe=model.name,
        subtitle=f"what '{model.variant}' generates",
        troubles=found.troubles,
        summary=found.paragraphs,
        sections=sections(found),
        statistics=found.statistics,
        command=made_by,
        facts={
            "variant": model.variant,
            "seed": str(model.config.seed),
            "steps taken": f"{model.step:,}" + ("" if model.finished else " (training has not ended)"),
            f"contexts ({view.context})": f"{len(view.names):,}",
            "generated for each": f"{whole.numbers:,} numbers in {len(found.statistics.tensors)} tensors",
            "trained parameters": f"{sum(p.numel() for p in view.model.parameters() if p.requires_grad):,}",
            "hypernet": type(view.model.hypernet).__name__,
            "target": type(view.model.target.module).__name__,
        },
    )
    return report.write_inside(page, path)


def sections(found: Inside) -> list[Section]:
    """The figures in the order of the page; what is missing is said in the last section."""
    parts = {
        "Generated weights": list(_weights(found)),
        "What the networks do": list(_networks(found)),
        "What the context does": list(_context(found)),
    }
    made = [Section(title=title, figures=figures) for title, figures in parts.items() if figures]
    return [*made, Section(title="Not shown", figures=(), notes=found.notes)] if found.notes else made


def _weights(found: Inside) -> Iterator[Figure]:
    yield report.size_figure(found.statistics)
    if found.contexts > 1:
        yield report.distance_figure(
            found.statistics.whole.distances,
            found.statistics.names,
            title="Distances of generated weights",
            caption="Root mean square difference of all generated numbers of two contexts.",
            unit="root mean square difference",
        )
    if found.weight_map is not None:
        yield _map(found.weight_map, found, title="Map of generated weights", what="all generated numbers")


def _networks(found: Inside) -> Iterator[Figure]:
    if found.distances is not None:
        if found.distances.disagreement is not None:
            yield report.distance_figure(
                100 * found.distances.disagreement,
                found.distances.names,
                title="Disagreement of networks",
                caption="Share of inputs to which the networks of two contexts give different classes.",
                unit="inputs (%)",
            )
        else:
            yield report.distance_figure(
                found.distances.outputs,
                found.distances.names,
                title="Distances of outputs",
                caption="Root mean square difference of two networks' outputs on the same inputs.",
                unit="root mean square difference",
            )
        yield report.agreement_figure(found.distances)
    if found.swap is not None:
        yield report.swap_figure(found.swap)


def _context(found: Inside) -> Iterator[Figure]:
    if found.context_map is not None:
        yield _map(found.context_map, found, title="Map of contexts", what="the contexts' coordinates")
    if found.sensitivity is not None:
        yield report.sensitivity_figure(found.sensitivity)
    if found.path is not None:
        yield from report.path_figures(found.path)


def _map(drawn: Map, found: Inside, *, title: str, what: str) -> Figure:
    how = (
        f"The plane in which {what} differ most."
        if drawn.shares is not None
        else f"t-SNE of {what}: near ones stay near, other distances mean nothing."
    )
    return report.map_figure(drawn, found.statistics.names, title=title, caption=f"One point for each context. {how}")
