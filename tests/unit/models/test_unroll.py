from itertools import pairwise
from typing import Any

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.errors import BatchingError, ContextError

CELLS = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
STEPS, SAMPLES, FEATURES, HIDDEN, MEMORY = 5, 4, 3, 6, 2


class Remember(nn.Module):
    """A context function with a memory: a small cell that sees the input and the main cell's state."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(FEATURES + HIDDEN, MEMORY)

    def forward(self, state: tuple[Any, Tensor], x: Tensor) -> tuple[Tensor, tuple[Any, Tensor]]:
        own, memory = state
        memory = self.cell(torch.cat([own[0] if isinstance(own, tuple) else own, x], -1), memory)
        return memory, (own, memory)


def parts(name: str = "gru") -> tuple[hd.Target, hd.Hypernet, Remember]:
    target = hd.Target(CELLS[name](FEATURES, HIDDEN)).double()
    hypernet = hd.Hypernet(
        encoder=encoders.Vector(MEMORY), body=bodies.MLP(MEMORY, 8), head=heads.FullHead(8, target.layout)
    )
    return target, hypernet.double(), Remember().double()


@pytest.fixture
def as_for_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types are checked at run time in tests only."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def start(name: str, *batch: int) -> tuple[Any, Tensor]:
    own = [torch.randn(*batch, HIDDEN, dtype=torch.float64) for _ in range(2 if name == "lstm" else 1)]
    return (tuple(own) if name == "lstm" else own[0]), torch.randn(*batch, MEMORY, dtype=torch.float64)


def flat(result: tuple[Tensor, tuple[Any, Tensor]]) -> list[Tensor]:
    outputs, (own, memory) = result
    return [outputs, *(own if isinstance(own, tuple) else (own,)), memory]


@pytest.mark.parametrize("name", CELLS)
def test_it_is_a_plain_loop_over_time_and_samples(name: str) -> None:
    target, hypernet, remember = parts(name)
    xs, state = torch.randn(STEPS, SAMPLES, FEATURES, dtype=torch.float64), start(name, SAMPLES)
    got = flat(hd.unroll(target, hypernet, xs, state, remember))
    samples = []
    for i in range(SAMPLES):
        own = tuple(s[i] for s in state[0]) if name == "lstm" else state[0][i]
        memory, outputs = state[1][i], []
        for x in xs[:, i]:
            memory = remember.cell(torch.cat([own[0] if name == "lstm" else own, x]), memory)
            own = target(hypernet(memory), x, own)
            outputs.append(own[0] if name == "lstm" else own)
        samples.append([torch.stack(outputs), *(own if name == "lstm" else (own,)), memory])
    expected = [torch.stack(tensors, dim=0 if k else 1) for k, tensors in enumerate(zip(*samples, strict=True))]
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)
    trained = [*hypernet.parameters(), *remember.parameters()]
    grads = [torch.autograd.grad(sum(t.square().sum() for t in r), trained) for r in (got, expected)]
    torch.testing.assert_close(*grads, rtol=1e-8, atol=1e-10)
    assert all(grad.abs().max() > 0 for grad in grads[0])


@pytest.mark.parametrize("name", CELLS)
def test_each_context_with_its_own_batch(name: str) -> None:
    target, hypernet, _ = parts(name)
    contexts = torch.randn(2, MEMORY, dtype=torch.float64)
    xs = torch.randn(STEPS, 2, SAMPLES, FEATURES, dtype=torch.float64)
    own, _ = start(name, 2, SAMPLES)
    outputs, (last, none) = hd.unroll(target, hypernet, xs, (own, None), lambda s, _: (contexts, s), call="batched")
    assert none is None
    for i in range(2):
        here = tuple(s[i] for s in own) if name == "lstm" else own[i]
        one = hd.unroll(target, hypernet, xs[:, i], (here, None), lambda s, _: (contexts[i], s), call="forward")  # noqa: B023
        end = tuple(s[i] for s in last) if name == "lstm" else last[i]
        torch.testing.assert_close((outputs[:, i], end), (one[0], one[1][0]))


def test_one_context_that_never_changes_is_the_layer_itself() -> None:
    target, hypernet, _ = parts("gru")
    context = torch.randn(MEMORY, dtype=torch.float64)
    xs, (own, _) = torch.randn(STEPS, SAMPLES, FEATURES, dtype=torch.float64), start("gru", SAMPLES)
    outputs, (last, _) = hd.unroll(target, hypernet, xs, (own, None), lambda s, _: (context, s), call="forward")
    layer = nn.GRU(FEATURES, HIDDEN, dtype=torch.float64)
    layer.load_state_dict({f"{name}_l0": w for name, w in target.bake(hypernet(context)).state_dict().items()})
    expected, end = layer(xs, own[None])
    torch.testing.assert_close((outputs, last), (expected, end[0]))


def test_weights_change_from_step_to_step() -> None:
    target, hypernet, remember = parts()
    seen = []
    hypernet.register_forward_hook(lambda _, __, weights: seen.append(weights["weight_hh"].detach()))
    xs = torch.randn(STEPS, SAMPLES, FEATURES, dtype=torch.float64)
    hd.unroll(target, hypernet, xs, start("gru", SAMPLES), remember)
    assert len(seen) == STEPS
    assert all((a - b).abs().max() > 1e-6 for a, b in pairwise(seen))


def test_a_sequence_in_two_halves_is_the_sequence() -> None:
    target, hypernet, remember = parts()
    xs, state = torch.randn(STEPS, SAMPLES, FEATURES, dtype=torch.float64), start("gru", SAMPLES)
    first, middle = hd.unroll(target, hypernet, xs[:2], state, remember)
    second, last = hd.unroll(target, hypernet, xs[2:], middle, remember)
    whole, end = hd.unroll(target, hypernet, xs, state, remember)
    torch.testing.assert_close((torch.cat([first, second]), last), (whole, end))


def test_a_batch_of_one_stays_one() -> None:
    target, hypernet, remember = parts("lstm")
    xs = torch.randn(STEPS, 1, FEATURES, dtype=torch.float64)
    outputs, (own, memory) = hd.unroll(target, hypernet, xs, start("lstm", 1), remember)
    assert outputs.shape == (STEPS, 1, HIDDEN)
    assert [s.shape for s in (*own, memory)] == [(1, HIDDEN), (1, HIDDEN), (1, MEMORY)]


@pytest.mark.usefixtures("as_for_a_user")
def test_another_verb() -> None:
    target, hypernet, remember = parts()
    xs = torch.zeros(STEPS, SAMPLES, FEATURES, dtype=torch.float64)
    with pytest.raises(BatchingError, match=r"call='pairs' is unknown\. Did you mean 'paired'"):
        hd.unroll(target, hypernet, xs, start("gru", SAMPLES), remember, call="pairs")


def test_no_time_step() -> None:
    target, hypernet, remember = parts()
    with pytest.raises(BatchingError, match=r"at least one time step in front, got xs of \(0, 4, 3\)"):
        hd.unroll(target, hypernet, torch.zeros(0, SAMPLES, FEATURES), start("gru", SAMPLES), remember)


@pytest.mark.usefixtures("as_for_a_user")
def test_a_state_that_is_no_pair() -> None:
    target, hypernet, _ = parts()
    xs, (own, memory) = torch.zeros(STEPS, SAMPLES, FEATURES, dtype=torch.float64), start("gru", SAMPLES)
    words = r"expected a state \(the cell's own, that of context_fn\), got a Tensor"
    with pytest.raises(BatchingError, match=words):
        hd.unroll(target, hypernet, xs, own, lambda s, _: (memory, s))
    with pytest.raises(BatchingError, match=words):
        hd.unroll(target, hypernet, xs, (own, memory), lambda s, _: (memory, s[1]))


def test_contexts_that_do_not_fit_the_samples() -> None:
    target, hypernet, _ = parts()
    xs, (own, memory) = torch.zeros(STEPS, SAMPLES, FEATURES, dtype=torch.float64), start("gru", SAMPLES)
    with pytest.raises(ContextError, match="3"):
        hd.unroll(target, hypernet, xs, (own, None), lambda s, _: (memory[:3], s))
