"""Names used in annotations.

Dimension names mean the same everywhere: ``*contexts`` the leading context dimensions (none for a single context),
``slots`` one row for each slot, ``features`` and ``hidden`` what flows between the stages, ``numel`` all generated
numbers in one row.
"""

from typing import Any, TypeAlias

from torch import Tensor

__all__ = ["Context", "Weights"]

Weights: TypeAlias = dict[str, Tensor]
"""Generated weights: name -> tensor ``(*contexts, *shape)``. A plain dict, so a pytree that torch already knows."""

Context: TypeAlias = Any
"""What a hypernet is conditioned on: whatever its encoder takes."""
