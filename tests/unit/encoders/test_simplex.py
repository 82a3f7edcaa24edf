import pytest
import torch

from hyperdnn.encoders import Simplex
from hyperdnn.errors import ConfigError, ContextError


@pytest.mark.parametrize("sizes", [(), (1,), (4,), (0,), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_samples_lie_on_the_simplex_and_pass_through(sizes: tuple[int, ...], dtype: torch.dtype) -> None:
    simplex = Simplex(7, dtype=dtype)
    context = simplex.sample(*sizes)
    assert context.shape == (*sizes, 7)
    assert context.dtype == dtype
    assert simplex(context) is context


@pytest.mark.parametrize("alpha", [0.2, 1.0, 30.0, [0.5, 1.0, 4.0]])
def test_moments_are_those_of_the_dirichlet(alpha: float | list[float]) -> None:
    context = Simplex(3).sample(20_000, alpha=alpha, generator=torch.Generator().manual_seed(0))
    known = torch.distributions.Dirichlet(torch.tensor(alpha if isinstance(alpha, list) else [alpha] * 3))
    torch.testing.assert_close(context.mean(0), known.mean, atol=0.01, rtol=0)
    torch.testing.assert_close(context.var(0), known.variance, atol=0.005, rtol=0.05)


def test_the_generator_alone_decides() -> None:
    simplex = Simplex(4)
    before = torch.get_rng_state()
    first, second = (simplex.sample(5, alpha=0.3, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(first, simplex.sample(5, alpha=0.3, generator=torch.Generator().manual_seed(2)))
    assert not torch.equal(simplex.sample(5), simplex.sample(5))


def test_a_concentration_near_zero_draws_corners() -> None:
    simplex = Simplex(3)
    corners = simplex(simplex.sample(2000, alpha=0.01))
    assert (corners.max(-1).values > 0.9).float().mean() > 0.95
    torch.testing.assert_close(corners.mean(0), torch.full((3,), 1 / 3), atol=0.05, rtol=0)


@pytest.mark.parametrize("alpha", [0.0, -1.0, 1e-3, float("inf"), float("nan"), [1.0, 2.0], [1.0, 1.0, 0.0]])
def test_a_concentration_that_means_nothing(alpha: float | list[float]) -> None:
    with pytest.raises(ConfigError, match=r"alpha=.*: expected a number of 0\.01 or more, or 3 of them"):
        Simplex(3).sample(2, alpha=alpha)


@pytest.mark.parametrize(
    "context", [[0.0, 0.0, 1.0], [1 / 3, 1 / 3, 1 / 3], [[0.5, 0.25, 0.25], [0.3, 0.3, 0.4]]], ids=str
)
def test_written_by_hand(context: list[float]) -> None:
    assert Simplex(3)(torch.tensor(context)).shape[-1] == 3


@pytest.mark.usefixtures("as_a_user_runs_it")
@pytest.mark.parametrize(
    ("context", "words"),
    [
        ([[0.5, 0.5, 0], [0.5, 0.6, 0]], r"the shares of context \[1\] sum to 1\.1, expected 1\. Divide them"),
        ([0.5, 0.4, 0], r"the shares sum to 0\.9, expected 1"),
        ([1.5, -0.5, 0], r"the share at \[1\] is negative \(-0\.5\)"),
        ([1.0, float("nan"), 0], r"not finite at \[1\]"),
        ([0.5, 0.5], r"expected \(\*contexts, 3\), got \(2,\)"),
    ],
)
def test_what_is_off_the_simplex_is_named(context: list[float], words: str) -> None:
    with pytest.raises(ContextError, match=words):
        Simplex(3)(torch.tensor(context))


def test_samples_follow_the_module_and_nothing_is_saved() -> None:
    assert Simplex(3).double().sample().dtype == torch.float64
    assert Simplex(3).state_dict() == {}
