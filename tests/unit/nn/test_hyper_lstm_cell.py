import copy
import pickle

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.nn import HyperLSTMCell

SIZES = (3, 5, 4, 2)  # input, hidden, hyper, embedding
WIDTHS = (5, 5, 4, 4)


def cell(*, at_random: bool = True, **options: object) -> HyperLSTMCell:
    """A cell in float64; its published initial values are too regular to tell a wrong equation from a right one."""
    made = HyperLSTMCell(*SIZES, dtype=torch.float64, **options)
    if at_random:
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.normal_(std=0.7)
    return made


def state_for(*batch: int) -> tuple[Tensor, ...]:
    return tuple(torch.randn(*batch, width, dtype=torch.float64) for width in WIDTHS)


def normed(gates: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    mean, variance = gates.mean(-1, keepdim=True), gates.var(-1, keepdim=True, unbiased=False)
    return gain * (gates - mean) / (variance + 1e-3).sqrt() + bias


def written_out(m: HyperLSTMCell, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The publication's equations, gate by gate."""
    h, c, hyper_h, hyper_c = state
    weight = m.hyper_weight_ih.chunk(4)
    both = torch.cat([h, x], -1)
    gates = []
    for y in range(4):
        gate = both @ weight[y].T + hyper_h @ m.hyper_weight_hh.chunk(4)[y].T
        hyper = m.hyper_gates
        gates.append(normed(gate, hyper.gain[y], hyper.bias[y]) if m.layer_norm else gate + hyper.bias[y])
    enter, forget, new, leave = gates
    hyper_c = (forget + 1).sigmoid() * hyper_c + enter.sigmoid() * new.tanh()
    inner = m.hyper_gates.cell if m.layer_norm else None
    hyper_h = leave.sigmoid() * (normed(hyper_c, inner.weight, inner.bias) if inner else hyper_c).tanh()

    gates = []
    embed, offset = m.embed_scales.weight.chunk(8), m.embed_scales.bias.chunk(8)
    for y in range(4):
        for_hidden = hyper_h @ embed[y].T + offset[y]
        for_input = hyper_h @ embed[4 + y].T + offset[4 + y]
        for_bias = hyper_h @ m.embed_biases.weight.chunk(4)[y].T
        gate = (for_hidden @ m.emit_scales[y]) * (h @ m.weight_hh.chunk(4)[y].T)
        gate = gate + (for_input @ m.emit_scales[4 + y]) * (x @ m.weight_ih.chunk(4)[y].T)
        gate = gate + for_bias @ m.emit_biases[y] + m.bias[y]
        gates.append(normed(gate, m.gates.gain[y], m.gates.bias[y]) if m.layer_norm else gate)
    enter, forget, new, leave = gates
    c = (forget + 1).sigmoid() * c + enter.sigmoid() * new.tanh()
    outer = m.gates.cell if m.layer_norm else None
    return leave.sigmoid() * (normed(c, outer.weight, outer.bias) if outer else c).tanh(), c, hyper_h, hyper_c


@pytest.mark.parametrize("layer_norm", [True, False], ids=["layer_norm", "plain"])
@pytest.mark.parametrize("batch", [1, 6])
def test_it_is_the_publication_in_value_and_gradient(batch: int, layer_norm: bool) -> None:
    ours = cell(layer_norm=layer_norm)
    x, state = torch.randn(batch, 3, dtype=torch.float64), state_for(batch)
    got, expected = ours(x, state), written_out(ours, x, state)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    parameters = list(ours.parameters())
    grads = [torch.autograd.grad(sum(s.square().sum() for s in out), parameters) for out in (got, expected)]
    torch.testing.assert_close(*grads, rtol=1e-10, atol=1e-10)
    assert all(grad.abs().max() > 1e-6 for grad in grads[0])


@pytest.mark.parametrize("layer_norm", [True, False], ids=["layer_norm", "plain"])
def test_gradients_of_input_and_state_are_right(layer_norm: bool) -> None:
    ours = cell(layer_norm=layer_norm)
    inputs = [t.requires_grad_() for t in (torch.randn(2, 3, dtype=torch.float64), *state_for(2))]
    assert torch.autograd.gradcheck(lambda x, *state: ours(x, state), inputs)


def test_without_a_state_it_starts_at_zero() -> None:
    ours, x = cell(), torch.randn(6, 3, dtype=torch.float64)
    zeros = tuple(torch.zeros(6, width, dtype=torch.float64) for width in WIDTHS)
    torch.testing.assert_close(ours(x), ours(x, zeros), rtol=0, atol=0)


def test_one_sample_without_a_batch() -> None:
    ours, x, state = cell(), torch.randn(3, dtype=torch.float64), state_for()
    rows = ours(x[None], tuple(s[None] for s in state))
    torch.testing.assert_close(ours(x, state), tuple(s[0] for s in rows), rtol=0, atol=0)


def test_every_scale_starts_at_a_tenth_and_every_generated_bias_at_zero() -> None:
    ours = cell(at_random=False)
    x = torch.randn(6, 3, dtype=torch.float64)
    scale_hidden, scale_input, bias = ours.generate(ours(x, state_for(6))[2])
    tenth = torch.full((6, 4, 5), 0.1, dtype=torch.float64)
    torch.testing.assert_close((scale_hidden, scale_input, bias), (tenth, tenth, torch.zeros_like(tenth)))


def test_recurrent_weights_start_orthogonal_gate_by_gate() -> None:
    ours = cell(at_random=False)
    for gate in (*ours.weight_hh.chunk(4), *ours.hyper_weight_hh.chunk(4)):
        torch.testing.assert_close(gate @ gate.T, torch.eye(len(gate), dtype=torch.float64))


def test_scales_have_no_bias_that_would_let_a_gate_bypass_them() -> None:
    ours = cell()
    with torch.no_grad():
        ours.embed_scales.weight.zero_()
        ours.embed_scales.bias.zero_()
    scale_hidden, scale_input, _ = ours.generate(torch.randn(6, 4, dtype=torch.float64))
    assert not scale_hidden.any()
    assert not scale_input.any()


def test_what_is_generated_depends_on_the_input() -> None:
    ours = cell()
    scales = [ours.generate(ours(x)[2])[0] for x in torch.randn(2, 6, 3, dtype=torch.float64)]
    assert (scales[0] - scales[1]).abs().mean() > 0.01


def test_recurrent_dropout_spares_what_the_cell_remembers() -> None:
    ours = HyperLSTMCell(3, 800, 4, 2, recurrent_dropout=0.25, layer_norm=False)
    x = torch.randn(1, 3)
    state = (torch.zeros(1, 800), torch.full((1, 800), 0.5), torch.zeros(1, 4), torch.zeros(1, 4))
    kept = ours.eval()(x, state)
    dropped = ours.train()(x, state)
    with torch.no_grad():
        ours.weight_ih.chunk(4)[2].zero_()
    remembered = ours.eval()(x, state)[1]  # nothing enters
    ratio = (dropped[1] - remembered) / (kept[1] - remembered)
    assert ((ratio.abs() < 1e-2) | ((ratio - 4 / 3).abs() < 1e-2)).float().mean() > 0.98
    assert 0.2 < (ratio.abs() < 1e-2).float().mean() < 0.3
    torch.testing.assert_close(dropped[2:], kept[2:], rtol=0, atol=0)


@pytest.mark.parametrize("layer_norm", [True, False], ids=["layer_norm", "plain"])
def test_many_contexts_by_vmap_equal_the_loop(layer_norm: bool) -> None:
    ours = cell(layer_norm=layer_norm)
    weights = {n: p + 0.1 * torch.randn(3, *p.shape, dtype=p.dtype) for n, p in ours.named_parameters()}
    x, state = torch.randn(3, 6, 3, dtype=torch.float64), state_for(3, 6)
    got = torch.vmap(lambda w, *inputs: functional_call(ours, w, (inputs[0], inputs[1:])))(weights, x, *state)
    for i in range(3):
        here = {n: w[i] for n, w in weights.items()}
        expected = functional_call(ours, here, (x[i], tuple(s[i] for s in state)))
        torch.testing.assert_close(tuple(s[i] for s in got), expected)


def test_it_survives_copy_pickle_and_saving() -> None:
    ours, x = cell(), torch.randn(6, 3, dtype=torch.float64)
    loaded = cell()
    loaded.load_state_dict(ours.state_dict())
    for again in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), loaded):
        torch.testing.assert_close(again(x), ours(x), rtol=0, atol=0)


def test_factories_reach_every_parameter() -> None:
    made = HyperLSTMCell(*SIZES, device=torch.device("meta"), dtype=torch.float64)
    assert {(p.device.type, p.dtype) for p in made.parameters()} == {("meta", torch.float64)}


def test_initial_values_can_be_set_again() -> None:
    ours = cell()
    for module in ours.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    ours.reset_parameters()
    fresh = cell(at_random=False).state_dict()
    fixed = [n for n in fresh if not n.startswith(("weight_", "hyper_weight_", "embed_biases"))]
    assert len(fixed) == 13
    for name in fixed:
        torch.testing.assert_close(ours.state_dict()[name], fresh[name], rtol=0, atol=0)


@pytest.mark.parametrize("layer_norm", [True, False], ids=["layer_norm", "plain"])
def test_it_has_the_published_number_of_parameters(layer_norm: bool) -> None:
    n, h, k, e = SIZES
    main = 4 * h * (n + h) + 4 * h
    hyper = 4 * k * (n + h + k)
    generating = 8 * e * (k + 1) + 4 * e * k + 12 * e * h
    extra = 10 * h + 10 * k if layer_norm else 4 * k  # gains and biases of five norms, or one bias
    total = sum(p.numel() for p in cell(layer_norm=layer_norm).parameters())
    assert total == main + hyper + generating + extra


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_size": 0}, "expected hidden_size of at least 1, got 0"),
        ({"embedding_size": 0}, "expected embedding_size of at least 1, got 0"),
        ({"recurrent_dropout": 1.0}, r"expected recurrent_dropout in \[0, 1\), got 1\.0"),
    ],
)
def test_settings_that_make_no_cell(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        HyperLSTMCell(**({"input_size": 3, "hidden_size": 5} | change))


@pytest.mark.parametrize(
    ("x", "state", "words"),
    [
        (torch.zeros(6, 2), None, r"expected input \(batch, 3\), got \(6, 2\)"),
        (torch.zeros(2, 6, 3), None, r"expected input \(batch, 3\), got \(2, 6, 3\)"),
        (torch.zeros(6, 3), tuple(torch.zeros(1, w) for w in WIDTHS), r"\(6, 5\).* got \[\(1, 5\)"),
        (torch.zeros(6, 3), (torch.zeros(6, 5), torch.zeros(6, 5)), r"got \[\(6, 5\), \(6, 5\)\]"),
    ],
)
def test_inputs_that_do_not_fit(x: Tensor, state: tuple[Tensor, ...] | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        HyperLSTMCell(*SIZES)(x, state)


def test_published_values_leave_the_scales_one_number_wide() -> None:
    ours = cell(at_random=False)
    optimizer = torch.optim.Adam(ours.parameters(), 0.01)
    xs, state = torch.randn(5, 6, 3, dtype=torch.float64), None
    for x in xs:
        state = ours(x, None if state is None else tuple(s.detach() for s in state))
        optimizer.zero_grad()
        F.mse_loss(state[0], x.sum(-1, keepdim=True).expand_as(state[0])).backward()
        optimizer.step()
    scales, biases = ours.emit_scales, ours.emit_biases
    assert (scales - 0.05).abs().max() > 1e-3
    torch.testing.assert_close(scales[:, 0], scales[:, 1], rtol=0, atol=1e-12)
    assert (biases[:, 0] - biases[:, 1]).abs().max() > 1e-3
