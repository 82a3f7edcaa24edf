import jaxtyping
import pytest
import torch
from torch import nn

from hyperdnn.bodies import RNN
from hyperdnn.errors import ConfigError

every_cell = pytest.mark.parametrize("cell", ["gru", "lstm"])


@every_cell
def test_it_is_torchs_layer_over_slots(cell: str) -> None:
    body = RNN(5, 6, cell=cell, layers=2)
    theirs = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](5, 6, 2, batch_first=True)
    with torch.no_grad():
        for i, layer in enumerate(body.cells):
            getattr(theirs, f"weight_ih_l{i}").copy_(layer.enter.weight * (layer.gain if i else 1))
            getattr(theirs, f"bias_ih_l{i}").copy_(layer.enter.bias)
            getattr(theirs, f"weight_hh_l{i}").copy_(layer.recur.weight)
            getattr(theirs, f"bias_hh_l{i}").zero_()
    rows = torch.randn(2, 3, 4, 5)
    starts = torch.stack([layer.start for layer in body.cells]).unsqueeze(2).expand(2, -1, 6, 6).unbind(1)
    starts = tuple(start.contiguous() for start in starts)
    out, _ = theirs(rows.flatten(0, 1), starts if cell == "lstm" else starts[0])
    torch.testing.assert_close(body(rows), body.cells[1].gain * out.unflatten(0, (2, 3)))


@every_cell
def test_a_slot_depends_on_those_before_it_only(cell: str) -> None:
    body, rows = RNN(5, 6, cell=cell), torch.randn(4, 5)
    changed = rows.clone()
    changed[2] += 1
    moved = (body(changed) - body(rows)).abs().amax(-1)
    assert moved[:2].tolist() == [0, 0]
    assert (moved[2:] > 1e-3).all()


@every_cell
def test_the_state_starts_alive(cell: str) -> None:
    torch.manual_seed(0)
    out = RNN(16, 64, cell=cell, layers=4)(torch.randn(20, 10, 16))
    assert 0.5 < out.square().mean().item() < 2.5


@every_cell
def test_states_start_where_they_settle(cell: str) -> None:
    torch.manual_seed(0)
    (layer,) = RNN(64, 512, cell=cell).cells
    embeddings = torch.randn(100, 64)
    embeddings[:, :32] = torch.randn(32)  # a context, the same for all slots
    states = layer(embeddings) / layer.gain
    assert layer.start[0].square().mean().item() == pytest.approx(states[30:].square().mean().item(), rel=0.5)
    assert layer.start.is_leaf


def test_forget_gates_start_open() -> None:
    (layer,) = RNN(5, 6, cell="lstm").cells
    assert layer.enter.bias.tolist() == [0.0] * 6 + [1.0] * 6 + [0.0] * 12
    assert layer.enter.bias.is_leaf


@every_cell
def test_it_runs_under_vmap_and_differentiates_twice(cell: str) -> None:
    body = RNN(3, 4, cell=cell).double()
    rows = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    weights = {name: torch.stack([p, 2 * p]) for name, p in body.named_parameters()}
    mapped = torch.vmap(lambda w: torch.func.functional_call(body, w, (rows,)))(weights)
    for i in range(2):
        alone = torch.func.functional_call(body, {name: w[i] for name, w in weights.items()}, (rows,))
        torch.testing.assert_close(mapped[i], alone)
    assert torch.autograd.gradgradcheck(body, (rows,), fast_mode=True)


def test_an_unknown_cell_and_no_layer_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user: types are checked in tests only
    with pytest.raises(ConfigError, match=r"cell 'lsmt' is unknown\. Did you mean 'lstm'\?"):
        RNN(5, 6, cell="lsmt")
    with pytest.raises(ConfigError, match="at least one layer, got layers=0"):
        RNN(5, 6, layers=0)
