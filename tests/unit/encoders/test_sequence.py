import pytest
import torch
from torch import nn

from hyperdnn.encoders import Sequence
from hyperdnn.errors import ContextError


@pytest.fixture
def encoder() -> Sequence:
    encoder = Sequence(3, 5, hidden=8)
    nn.init.normal_(encoder.start)
    return encoder


def test_it_is_the_last_state_of_torchs_own_layer(encoder: Sequence) -> None:
    gru = nn.GRU(3, 8, batch_first=True)
    gru.load_state_dict(encoder.gru.state_dict())
    steps = torch.randn(4, 6, 3)
    _, last = gru(steps, encoder.start.expand(1, 4, 8).contiguous())
    torch.testing.assert_close(encoder(steps), encoder.out(last[0]))


def test_order_matters(encoder: Sequence) -> None:
    steps = torch.randn(6, 3)
    assert not torch.allclose(encoder(steps.flip(0)), encoder(steps), atol=1e-4)


@pytest.mark.parametrize("fill", [0.0, 1e30, float("nan")])
def test_what_stands_behind_the_length_does_not_matter(encoder: Sequence, fill: float) -> None:
    lengths = torch.tensor([[2, 6, 0], [1, 5, 3]])
    steps = torch.randn(2, 3, 6, 3)
    given = (torch.arange(6) < lengths.unsqueeze(-1)).unsqueeze(-1)
    filled = torch.where(given, steps, fill).requires_grad_()
    out = encoder((filled, lengths))
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(out[i, j], encoder(steps[i, j, : lengths[i, j]]))
    out.sum().backward()
    assert not filled.grad.masked_select(~given).any()
    assert all(p.grad.isfinite().all() for p in encoder.parameters())


def test_a_sequence_without_steps_is_the_first_state(encoder: Sequence) -> None:
    start = encoder.out(encoder.start)
    torch.testing.assert_close(encoder(torch.empty(0, 3)), start)
    torch.testing.assert_close(encoder(torch.empty(2, 0, 3)), start.expand(2, 5))
    torch.testing.assert_close(encoder((torch.empty(2, 0, 3), torch.zeros(2, dtype=torch.int32))), start.expand(2, 5))
    assert encoder((torch.empty(0, 4, 3), torch.empty(0, dtype=torch.int64))).shape == (0, 5)


def test_under_vmap_values_are_the_same(encoder: Sequence) -> None:
    steps, lengths = torch.randn(4, 6, 3), torch.tensor([0, 6, 2, 3])
    torch.testing.assert_close(torch.vmap(encoder)(steps), encoder(steps))
    mapped = torch.vmap(lambda s, n: encoder((s, n)))(steps, lengths)
    torch.testing.assert_close(mapped, encoder((steps, lengths)))


@pytest.mark.usefixtures("as_a_user_runs_it")
@pytest.mark.parametrize(
    ("context", "words"),
    [
        (torch.zeros(3), r"Sequence: expected \(\*contexts, time, 3\), got \(3,\)"),
        (torch.full((2, 3), torch.nan), r"not finite at \[0, 0\] \(nan\)"),
        ((torch.zeros(4, 2, 3), torch.tensor([0, 1, 3, 2])), "expected lengths of 0 to 2 steps, got 3"),
        ((torch.zeros(1, 2, 3), torch.tensor([-1])), "expected lengths of 0 to 2 steps, got -1"),
        ((torch.zeros(1, 2, 3), torch.tensor([1.0])), r"expected integer lengths \(1,\), got torch\.float32 \(1,\)"),
        ((torch.zeros(2, 3), torch.tensor([1])), r"expected integer lengths \(\), got torch\.int64 \(1,\)"),
        ((torch.zeros(2, 3), 2), "Sequence takes tensors .* got Tensor and int"),
    ],
)
def test_contexts_that_are_no_sequences(encoder: Sequence, context: object, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        encoder(context)
