"""What is learnt, kept and forgotten over a sequence of tasks."""

from jaxtyping import Float
from torch import Tensor

from hyperdnn.errors import ConfigError

__all__ = ["continual_summary"]


def continual_summary(matrix: Float[Tensor, "rows tasks"]) -> dict[str, float]:
    """Three means over tasks: just after learning each, at the end, and the difference.

    Forgetting is measured from the accuracy right after learning a task, not from the best one ever seen, and
    counts the last task, which nothing can have overwritten. It is minus the backward transfer of Lopez-Paz &
    Ranzato, times ``(tasks - 1) / tasks``.

    Args:
        matrix: ``matrix[i, j]`` is the accuracy on task j after learning task i; the part above the diagonal
            is not read.

    Returns:
        ``during_accuracy``, ``final_accuracy`` and ``forgetting``, as fractions.

    Raises:
        ConfigError: a matrix that is not square, or has gaps in its diagonal or last row.

    Source:
        Lopez-Paz & Ranzato, "Gradient episodic memory for continual learning", NeurIPS 2017.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise ConfigError(f"accuracy matrix: expected (tasks, tasks), got {tuple(matrix.shape)}.")
    matrix = matrix.double()
    during, final = matrix.diagonal(), matrix[-1]
    if during.isnan().any() or final.isnan().any():
        raise ConfigError("accuracy matrix: expected a number in the whole diagonal and the last row, got nan.")
    return {
        "during_accuracy": during.mean().item(),
        "final_accuracy": final.mean().item(),
        "forgetting": (during - final).mean().item(),
    }
