"""Maps: many numbers in two dimensions."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.inspect._spread import SAME, portions, spread

__all__ = ["Map", "flat_map", "neighbour_map"]

_PERPLEXITY = 30.0
"""Neighbours that count for a point, of t-SNE; its authors' upper end for maps of thousands."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Map:
    """Rows as points in a plane.

    Args:
        points: ``(n, 2)``.
        shares: of all variance that lies along either axis; None where an axis means nothing by itself.
        mean: ``(d,)``, the row that lies at the origin, if there is one.
        axes: ``(d, 2)``, orthogonal directions of length one, or zero where rows do not differ; None as above.
    """

    points: Tensor
    shares: tuple[float, float] | None = None
    mean: Tensor | None = None
    axes: Tensor | None = None

    def place(self, rows: Tensor) -> Tensor:
        """Where other rows are on the same map: ``(*any, d)`` -> ``(*any, 2)``.

        Raises:
            ConfigError: the map is no projection, or rows have another width.
        """
        if self.mean is None or self.axes is None:
            raise ConfigError("a map of neighbours has no place for other rows: use flat_map.")
        if rows.shape[-1:] != self.mean.shape:
            raise ConfigError(f"place: expected rows of {len(self.mean)} numbers, got {tuple(rows.shape)}.")
        return (rows.detach().cpu().double() - self.mean) @ self.axes


def flat_map(rows: Tensor) -> Map:
    """Principal components: the plane in which rows differ most, and the only one with a place for other rows.

    Distances on the map are those along the plane. The sign of an axis is chosen so that the row farthest along it is
    on its positive side. Rows that do not differ are all at the origin.

    Args:
        rows: ``(n, ...)``, one or more: coordinates of contexts, or generated weights (``layout.join(weights)``).

    Raises:
        ConfigError: for no rows, or numbers that are not finite.
    """
    flat = _checked(rows)
    sums = spread(flat)
    values, vectors = torch.linalg.eigh(sums.gram)
    rounding = torch.finfo(flat.dtype).eps * sums.size
    least = max(SAME**2 * float(values[-1]), rounding**2 * flat.numel())
    order = values.argsort(descending=True)[:2]
    values, chosen = values.clamp(min=0), vectors[:, order]
    if len(flat) == 1:  # one row has one direction, of no length
        order, chosen = order.repeat(2), chosen.repeat(1, 2)
    exists = values[order] > least
    lengths = torch.where(exists, values[order].sqrt(), 0.0)
    farthest = chosen.gather(0, chosen.abs().argmax(0, keepdim=True))
    chosen = torch.where(exists, chosen * farthest.sign(), 0.0)
    total = float(values.sum())
    first, second = (float(square) / total if total else 0.0 for square in lengths.square())
    mean, axes = [], []
    for part in portions(flat):
        mean.append(part.mean(0))
        axes.append((part - mean[-1]).T @ chosen / torch.where(exists, lengths, 1.0))
    return Map(
        points=chosen * lengths,
        shares=(first, second),
        mean=torch.cat([chosen.new_zeros(0), *mean]),
        axes=torch.cat([chosen.new_zeros(0, 2), *axes]),
    )


def neighbour_map(rows: Tensor) -> Map:
    """t-SNE: rows that are near each other stay near; other distances, and the axes, mean nothing.

    The same rows give the same map. Three rows or fewer have no neighbourhoods: they lie as on `flat_map`. UMAP is not
    in scikit-learn; this is.

    Args:
        rows: ``(n, ...)``, one or more.

    Raises:
        ConfigError: for no rows, or numbers that are not finite.
        MissingExtraError: scikit-learn is missing.

    Source:
        van der Maaten & Hinton, "Visualizing data using t-SNE", JMLR 2008; by scikit-learn.
    """
    flat = _checked(rows)
    points, distances = flat_map(flat).points, spread(flat).distances
    size = points[:, 0].std(correction=0)
    if len(flat) <= 3 or size == 0:
        return Map(points=points)
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise MissingExtraError("scikit-learn", extra="lab") from error
    made = TSNE(
        metric="precomputed",
        init=(1e-4 * points / size).float().numpy(),  # as scikit-learn scales its own start from principal components
        perplexity=min(_PERPLEXITY, (len(flat) - 1) / 3),
        random_state=0,
        n_jobs=1,
    )
    return Map(points=torch.from_numpy(made.fit_transform(distances.numpy())).double())


def _checked(rows: Tensor) -> Tensor:
    if rows.ndim < 2 or not len(rows):
        raise ConfigError(f"a map takes rows (n, ...), one or more, got {tuple(rows.shape)}.")
    if not bool(rows.isfinite().all()):
        raise ConfigError("a map takes finite numbers: a row holds one that is not.")
    return rows.detach().flatten(1)
