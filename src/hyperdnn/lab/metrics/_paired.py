"""Two systems on the same cases."""

from jaxtyping import Float
from torch import Tensor

from hyperdnn.errors import MissingExtraError

__all__ = ["sign_test"]


def sign_test(lower: Float[Tensor, " cases"], higher: Float[Tensor, " cases"]) -> float:
    """How likely it is by chance that one system's losses are lower in so many cases: the one-sided sign test's p.

    Cases in which both are equal are left out; if that is all of them, p is 1.

    Args:
        lower: losses of the system that is said to be better.
        higher: losses of the other one.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    try:
        from scipy.stats import binomtest
    except ImportError as error:
        raise MissingExtraError("scipy", extra="lab") from error
    better, worse = int((lower < higher).sum()), int((lower > higher).sum())
    if not better + worse:
        return 1.0
    return float(binomtest(better, better + worse, alternative="greater").pvalue)
