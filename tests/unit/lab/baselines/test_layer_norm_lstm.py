import copy
import pickle

import pytest
import torch
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.baselines import LayerNormLSTM
from hyperdnn.nn import HyperLSTM


def layer(**options: object) -> LayerNormLSTM:
    """In float64, with weights that tell a wrong equation from a right one."""
    made = LayerNormLSTM(3, 5, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.7)
    return made


def normed(gates: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    mean, variance = gates.mean(-1, keepdim=True), gates.var(-1, keepdim=True, unbiased=False)
    return gain * (gates - mean) / (variance + 1e-3).sqrt() + bias


def written_out(m: LayerNormLSTM, xs: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The equations, gate by gate and step by step."""
    outputs = []
    for x in xs:
        gates = [
            normed(x @ m.weight_ih.chunk(4)[y].T + h @ m.weight_hh.chunk(4)[y].T, m.gain[y], m.bias[y])
            for y in range(4)
        ]
        enter, forget, new, leave = gates
        c = (forget + 1).sigmoid() * c + enter.sigmoid() * new.tanh()
        h = leave.sigmoid() * normed(c, m.cell.weight, m.cell.bias).tanh()
        outputs.append(h)
    return torch.stack(outputs), (h, c)


@pytest.mark.parametrize("batch", [1, 6])
def test_it_is_the_equations_in_value_and_gradient(batch: int) -> None:
    ours = layer()
    xs, h, c = (torch.randn(*shape, dtype=torch.float64) for shape in ((4, batch, 3), (batch, 5), (batch, 5)))
    got, expected = ours(xs, (h, c)), written_out(ours, xs, h, c)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    grads = [torch.autograd.grad(out[0].square().sum(), list(ours.parameters())) for out in (got, expected)]
    torch.testing.assert_close(*grads, rtol=1e-10, atol=1e-10)
    zeros = torch.zeros(batch, 5, dtype=torch.float64)
    torch.testing.assert_close(ours(xs), ours(xs, (zeros, zeros)), rtol=0, atol=0)


def test_it_is_the_generating_lstm_whose_scales_stand_at_one() -> None:
    ours, theirs = layer(), HyperLSTM(3, 5, 4, 2, dtype=torch.float64)
    cell = theirs.layers[0]
    with torch.no_grad():
        cell.emit_scales.fill_(0.5)  # the embeddings, two numbers each, start at one
        for name in ("weight_ih", "weight_hh"):
            getattr(cell, name).copy_(getattr(ours, name))
        for name in ("gain", "bias"):
            getattr(cell.gates, name).copy_(getattr(ours, name))
        cell.gates.cell.load_state_dict(ours.cell.state_dict())
    xs = torch.randn(7, 6, 3, dtype=torch.float64)
    output, (h, c) = ours(xs)
    expected, state = theirs(xs)
    torch.testing.assert_close((output, h, c), (expected, state[0][0], state[1][0]), rtol=1e-12, atol=1e-12)


def test_it_starts_as_the_generating_lstm_does() -> None:
    ours = LayerNormLSTM(3, 5, dtype=torch.float64)
    for gate in ours.weight_hh.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(5, dtype=torch.float64))
    assert bool((ours.gain == 1).all())
    assert not ours.bias.any()
    torch.manual_seed(0)
    wide = LayerNormLSTM(300, 200)
    torch.manual_seed(0)
    theirs = HyperLSTM(300, 200, 4, 2).layers[0]
    assert wide.weight_ih.std().item() == pytest.approx(theirs.weight_ih.std().item(), rel=0.02)


def test_recurrent_dropout_spares_what_the_cell_remembers() -> None:
    ours = LayerNormLSTM(3, 800, recurrent_dropout=0.25)
    xs, state = torch.randn(1, 1, 3), (torch.zeros(1, 800), torch.full((1, 800), 0.5))
    kept, dropped = ours.eval()(xs, state)[1][1], ours.train()(xs, state)[1][1]
    with torch.no_grad():
        ours.weight_ih.chunk(4)[2].zero_()
    remembered = ours.eval()(xs, state)[1][1]  # nothing enters
    ratio = (dropped - remembered) / (kept - remembered)
    assert ((ratio.abs() < 1e-2) | ((ratio - 4 / 3).abs() < 1e-2)).float().mean() > 0.98
    assert 0.2 < (ratio.abs() < 1e-2).float().mean() < 0.3


def test_it_survives_copy_pickle_and_saving() -> None:
    ours, xs = layer(), torch.randn(4, 6, 3, dtype=torch.float64)
    loaded = layer()
    loaded.load_state_dict(ours.state_dict())
    for again in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), loaded):
        torch.testing.assert_close(again(xs), ours(xs), rtol=0, atol=0)


def test_factories_reach_every_parameter() -> None:
    made = LayerNormLSTM(3, 5, device=torch.device("meta"), dtype=torch.float64)
    assert {(p.device.type, p.dtype) for p in made.parameters()} == {("meta", torch.float64)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((0, 5, 0.0), "sizes of at least 1, got 0 and 5"), ((3, 5, 1.0), r"recurrent_dropout in \[0, 1\), got 1\.0")],
)
def test_settings_that_make_no_layer(arguments: tuple[int, int, float], words: str) -> None:
    inputs, hidden, dropout = arguments
    with pytest.raises(ConfigError, match=words):
        LayerNormLSTM(inputs, hidden, recurrent_dropout=dropout)


@pytest.mark.parametrize(
    ("xs", "state", "words"),
    [
        (torch.zeros(4, 6, 2), None, r"at least one time step of \(batch, 3\), got \(4, 6, 2\)"),
        (torch.zeros(0, 6, 3), None, r"at least one time step of \(batch, 3\), got \(0, 6, 3\)"),
        (torch.zeros(4, 6, 3), (torch.zeros(1, 5),) * 2, r"\(h, c\) of \(6, 5\) each, got \[\(1, 5\), \(1, 5\)\]"),
    ],
)
def test_inputs_that_do_not_fit(xs: Tensor, state: tuple[Tensor, Tensor] | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LayerNormLSTM(3, 5)(xs, state)
