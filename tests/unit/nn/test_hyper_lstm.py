import subprocess
import sys

import pytest
import torch
from torch import Tensor

import hyperdnn as hd
from hyperdnn.errors import ConfigError
from hyperdnn.nn import HyperLSTM

SIZES = (3, 5, 4, 2)  # input, hidden, hyper, embedding
WIDTHS = (5, 5, 4, 4)


def layers(num_layers: int = 1, **options: object) -> HyperLSTM:
    made = HyperLSTM(*SIZES, num_layers=num_layers, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.7)
    return made


def state_for(num_layers: int, *batch: int) -> tuple[Tensor, ...]:
    return tuple(torch.randn(num_layers, *batch, width, dtype=torch.float64) for width in WIDTHS)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("batch", [1, 6])
def test_it_is_the_cell_step_by_step(batch: int, num_layers: int) -> None:
    ours = layers(num_layers)
    xs, state = torch.randn(7, batch, 3, dtype=torch.float64), state_for(num_layers, batch)
    output, last = ours(xs, state)
    steps, ends = xs, []
    for i, cell in enumerate(ours.layers):
        here, outputs = tuple(s[i] for s in state), []
        for x in steps:
            here = cell(x, here)
            outputs.append(here[0])
        steps = torch.stack(outputs)
        ends.append(here)
    expected = tuple(torch.stack(parts) for parts in zip(*ends, strict=True))
    torch.testing.assert_close((output, last), (steps, expected), rtol=1e-12, atol=1e-12)
    grads = [torch.autograd.grad(out.square().sum(), list(ours.parameters())) for out in (output, steps)]
    torch.testing.assert_close(*grads, rtol=1e-10, atol=1e-10)


def test_gradients_through_time_are_right() -> None:
    ours = layers(2)
    inputs = [t.requires_grad_() for t in (torch.randn(3, 2, 3, dtype=torch.float64), *state_for(2, 2))]
    assert torch.autograd.gradcheck(lambda xs, *state: ours(xs, state)[0], inputs)


def test_shapes_are_those_of_torch() -> None:
    theirs = torch.nn.LSTM(3, 5, num_layers=2, dtype=torch.float64)
    for xs in (torch.randn(7, 6, 3, dtype=torch.float64), torch.randn(7, 3, dtype=torch.float64)):
        output, (h, c) = theirs(xs)
        ours, state = layers(2)(xs)
        assert (ours.shape, state[0].shape, state[1].shape) == (output.shape, h.shape, c.shape)


def test_a_sequence_in_two_halves_is_the_sequence() -> None:
    ours, xs = layers(2), torch.randn(8, 6, 3, dtype=torch.float64)
    first, state = ours(xs[:3])
    second, last = ours(xs[3:], state)
    torch.testing.assert_close((torch.cat([first, second]), last), ours(xs))


@pytest.mark.parametrize("unbatched", [False, True], ids=["batch", "unbatched"])
def test_batch_first(unbatched: bool) -> None:
    ours, first = layers(2), layers(2, batch_first=True)
    first.load_state_dict(ours.state_dict())
    batch = () if unbatched else (6,)
    xs, state = torch.randn(7, *batch, 3, dtype=torch.float64), state_for(2, *batch)
    output, last = ours(xs, state)
    again, last_again = first(xs if unbatched else xs.transpose(0, 1), state)
    torch.testing.assert_close((again if unbatched else again.transpose(0, 1), last_again), (output, last))


def test_a_sequence_without_a_batch_is_a_batch_of_one() -> None:
    ours, xs, state = layers(2), torch.randn(7, 3, dtype=torch.float64), state_for(2)
    output, last = ours(xs[:, None], tuple(s[:, None] for s in state))
    torch.testing.assert_close(ours(xs, state), (output[:, 0], tuple(s[:, 0] for s in last)), rtol=0, atol=0)


def test_its_own_weights_can_be_generated_for_many_contexts() -> None:
    target = hd.Target(HyperLSTM(*SIZES), "*emit*")
    weights = {spec.name: torch.randn(3, *spec.shape) for spec in target.layout}
    xs = torch.randn(3, 7, 6, 3)
    output, _ = target.batched(weights, xs)
    for i in range(3):
        torch.testing.assert_close(output[i], target({n: w[i] for n, w in weights.items()}, xs[i])[0])


def test_dropout_only_in_training() -> None:
    ours, xs = layers(recurrent_dropout=0.5), torch.randn(7, 6, 3, dtype=torch.float64)
    assert not torch.equal(ours(xs)[0], ours(xs)[0])
    ours.eval()
    assert torch.equal(ours(xs)[0], ours(xs)[0])


COMPILED = """
import torch
from hyperdnn.nn import HyperLSTM
for num_layers, batch in ((2, (6,)), (1, ())):
    layer, xs = HyperLSTM(3, 5, 4, 2, num_layers=num_layers), torch.randn(3, *batch, 3)
    for module, x in ((layer, xs), (layer.layers[0], xs[0])):
        torch._dynamo.reset()
        compiled = torch.compile(module, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(x), module(x), rtol=0, atol=0)
"""


def test_layer_and_cell_compile_as_one_graph() -> None:
    # In a process of its own: the wrappers that check types at run time are not for the compiler to trace.
    subprocess.run([sys.executable, "-c", COMPILED], check=True, timeout=300)


def test_it_runs_under_autocast() -> None:
    ours, xs = HyperLSTM(*SIZES), torch.randn(7, 6, 3)
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = ours(xs)
    torch.testing.assert_close(output.float(), ours(xs)[0], rtol=0, atol=0.05)
    output.float().square().sum().backward()
    assert all(p.grad is not None for p in ours.parameters())


def test_it_learns_to_remember() -> None:
    ours = HyperLSTM(1, 12, 6, 2)
    readout = torch.nn.Linear(12, 1)
    optimizer = torch.optim.Adam([*ours.parameters(), *readout.parameters()], 0.02)
    losses = []
    for _ in range(60):
        xs = torch.randn(4, 32, 1)
        loss = (readout(ours(xs)[0][-1]) - xs[0]).square().mean()  # the first input, three steps later
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) / 5 < 0.25 * sum(losses[:5]) / 5


def test_no_layer() -> None:
    with pytest.raises(ConfigError, match="expected num_layers of at least 1, got 0"):
        HyperLSTM(3, 5, num_layers=0)


@pytest.mark.parametrize(
    ("xs", "state", "words"),
    [
        (torch.zeros(7, 6, 2), None, r"HyperLSTM: expected input \(time, batch, 3\), got \(7, 6, 2\)"),
        (torch.zeros(3), None, r"HyperLSTM: expected input \(time, batch, 3\), got \(3,\)"),
        (torch.zeros(0, 6, 3), None, r"HyperLSTM: expected at least one time step, got \(0, 6, 3\)"),
        (torch.zeros(7, 6, 3), tuple(torch.zeros(1, 1, w) for w in WIDTHS), r"\(1, 6, 5\).* got \[\(1, 1, 5\)"),
        (torch.zeros(7, 6, 3), (torch.zeros(1, 6, 5),) * 2, r"got \[\(1, 6, 5\), \(1, 6, 5\)\]"),
    ],
)
def test_inputs_that_do_not_fit(xs: Tensor, state: tuple[Tensor, ...] | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        HyperLSTM(*SIZES)(xs, state)
