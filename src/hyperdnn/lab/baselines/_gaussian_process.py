"""A curve through few points."""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from hyperdnn.errors import MissingExtraError

__all__ = ["gaussian_process"]


def gaussian_process(
    inputs: Float[Tensor, "points features"],
    values: Float[Tensor, " points"],
    asked: Float[Tensor, "others features"],
    *,
    restarts: int = 3,
) -> Float[Tensor, " others"]:
    """What a Gaussian process that was fitted to some points expects at others.

    Its kernel is a squared exponential plus noise on standardised values; their amplitude, width and strength are those
    of the largest marginal likelihood. Costs the cube of the points.

    Args:
        inputs: of the points.
        values: what was observed there.
        asked: where it is asked.
        restarts: how often the likelihood is climbed from another start, besides the first; the starts are always the
            same ones.

    Source:
        Rasmussen & Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, algorithm 2.1.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
    except ImportError as error:
        raise MissingExtraError("scikit-learn", extra="lab") from error
    kernel = ConstantKernel(1.0, (1e-3, 1e5)) * RBF(1.0, (1e-2, 1e3)) + WhiteKernel(1e-4, (1e-10, 1.0))
    process = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=restarts, random_state=0)
    x, y, there = (tensor.detach().cpu().double().numpy() for tensor in (inputs, values, asked))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of a kernel at one of its bounds: no noise, for instance
        process.fit(x, y)
    return torch.from_numpy(process.predict(there)).to(values)
