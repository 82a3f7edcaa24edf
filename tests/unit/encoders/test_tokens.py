import pytest
import torch

from hyperdnn.encoders import Tokens
from hyperdnn.errors import ContextError


@pytest.mark.parametrize("contexts", [(), (1,), (4,), (0,), (2, 3)])
@pytest.mark.parametrize("n", [0, 1, 6])
def test_tokens_pass_as_they_are(contexts: tuple[int, ...], n: int) -> None:
    tokens = torch.randn(*contexts, n, 3)
    assert Tokens(3)(tokens) is tokens


def test_what_is_masked_becomes_zero() -> None:
    tokens, mask = torch.randn(2, 4, 3), torch.tensor([[True, False, True, True], [False] * 4])
    spoilt = tokens.masked_fill(~mask.unsqueeze(-1), torch.nan)
    out, kept = Tokens(3)((spoilt, mask))
    assert kept is mask
    assert torch.equal(out, tokens * mask.unsqueeze(-1))


@pytest.mark.usefixtures("as_a_user_runs_it")
@pytest.mark.parametrize(
    ("context", "words"),
    [
        (torch.zeros(3), r"Tokens: expected \(\*contexts, n, 3\), got \(3,\)"),
        (torch.zeros(2, 4), r"Tokens: expected \(\*contexts, n, 3\), got \(2, 4\)"),
        (torch.full((2, 3), torch.inf), r"Tokens: the context is not finite at \[0, 0\]"),
        (torch.zeros(2, 3, dtype=torch.int64), r"Tokens takes floating-point tensors, got torch\.int64"),
        ((torch.zeros(2, 3), torch.ones(2)), r"Tokens: expected a boolean mask \(2,\), got torch\.float32 \(2,\)"),
        ((torch.zeros(2, 3), [True, True]), "Tokens takes tensors .*got Tensor and list"),
    ],
)
def test_contexts_that_are_no_tokens(context: object, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        Tokens(3)(context)
