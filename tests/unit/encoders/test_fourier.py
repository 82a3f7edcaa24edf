import pytest
import torch

from hyperdnn.encoders import Fourier
from hyperdnn.errors import ConfigError, ContextError


@pytest.mark.parametrize("contexts", [(), (1,), (4,), (0,), (2, 3)])
def test_it_is_the_brick_with_checks(contexts: tuple[int, ...]) -> None:
    encoder, context = Fourier(3, 8, scale=0.5), torch.randn(*contexts, 3)
    out = encoder(context)
    assert out.shape == (*contexts, encoder.features) == (*contexts, 16)
    assert torch.equal(out, encoder.fourier(context))


def test_near_contexts_are_alike_and_distant_ones_are_not() -> None:
    encoder = Fourier(1, 4096, scale=2.0)
    rows = encoder(torch.tensor([[0.3], [0.31], [0.8]]))
    near, far = (rows[0] * rows[1:]).mean(-1).tolist()
    assert near > 0.95
    assert abs(far) < 0.1


@pytest.mark.usefixtures("as_a_user_runs_it")
@pytest.mark.parametrize(
    ("context", "words"),
    [
        (torch.zeros(2), r"Fourier: expected \(\*contexts, 3\), got \(2,\)"),
        (torch.tensor([0.0, torch.nan, 0.0]), r"Fourier: the context is not finite at \[1\]"),
        (torch.zeros(3, dtype=torch.int64), "Fourier takes floating-point vectors"),
    ],
)
def test_contexts_that_are_no_vectors(context: torch.Tensor, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        Fourier(3, 8)(context)


def test_a_scale_must_be_positive() -> None:
    with pytest.raises(ConfigError, match=r"Fourier: expected a positive scale, got -1\.0"):
        Fourier(3, 8, scale=-1.0)
