import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from hyperdnn.nn import RecurrentCell

CELLS = {
    "lstm": lambda: nn.LSTMCell(3, 4),
    "lstm_without_bias": lambda: nn.LSTMCell(3, 4, bias=False),
    "gru": lambda: nn.GRUCell(3, 4),
    "rnn": lambda: nn.RNNCell(3, 4),
    "rnn_relu": lambda: nn.RNNCell(3, 4, nonlinearity="relu", bias=False),
}


def pair(name: str) -> tuple[nn.RNNCellBase, RecurrentCell]:
    torch.manual_seed(0)
    cell = CELLS[name]()
    return cell, RecurrentCell(copy.deepcopy(cell))


def state_for(cell: nn.RNNCellBase, *batch: int) -> Tensor | tuple[Tensor, Tensor]:
    hidden = torch.randn(*batch, 4)
    return (hidden, torch.randn(*batch, 4)) if isinstance(cell, nn.LSTMCell) else hidden


def flat(state: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
    return list(state) if isinstance(state, tuple) else [state]


def mapped(ours: RecurrentCell, *args: object) -> list[Tensor]:
    """Two contexts with the same weights; returns the second."""
    weights = {name: torch.stack([p, p]) for name, p in ours.named_parameters()}
    return [out[1] for out in torch.vmap(lambda w: flat(functional_call(ours, w, args)))(weights)]


@pytest.mark.parametrize("batch", [(5,), ()], ids=["batch", "unbatched"])
@pytest.mark.parametrize("given", [False, True], ids=["zero_state", "given_state"])
@pytest.mark.parametrize("name", CELLS)
def test_one_context_and_many_equal_torch(name: str, given: bool, batch: tuple[int, ...]) -> None:
    cell, ours = pair(name)
    x = torch.randn(*batch, 3)
    args = (x, state_for(cell, *batch)) if given else (x,)
    expected = flat(cell(*args))
    torch.testing.assert_close(flat(ours(*args)), expected, rtol=0, atol=0)
    torch.testing.assert_close(mapped(ours, *args), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_gradients_of_many_contexts_equal_torch(name: str) -> None:
    cell, ours = pair(name)
    x, state = torch.randn(5, 3), state_for(cell, 5)
    expected = torch.autograd.grad(sum(s.square().sum() for s in flat(cell(x, state))), list(cell.parameters()))
    got = torch.autograd.grad(sum(s.square().sum() for s in mapped(ours, x, state)), list(ours.parameters()))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_restore_builds_the_cell_again(name: str) -> None:
    cell, ours = pair(name)
    again = ours.restore()
    assert repr(again) == repr(cell)
    again.load_state_dict(ours.state_dict())
    x = torch.randn(5, 3)
    torch.testing.assert_close(flat(again(x)), flat(cell(x)), rtol=0, atol=0)


def test_parameters_keep_their_names_and_identity() -> None:
    cell = nn.GRUCell(3, 4)
    before = dict(cell.named_parameters())
    after = dict(RecurrentCell(cell).named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
@pytest.mark.parametrize(
    ("x", "state"),
    [
        (torch.zeros(2, 5, 3), None),
        (torch.zeros(5, 2), None),
        (torch.zeros(5, 3), torch.zeros(1, 4)),
        (torch.zeros(5, 3), torch.zeros(5, 1)),
        (torch.zeros(1, 3), torch.zeros(5, 4)),
    ],
    ids=["dimensions", "width", "state_of_one", "state_too_narrow", "state_too_long"],
)
def test_what_torch_refuses_is_refused_for_many_contexts_too(x: Tensor, state: Tensor | None, many: bool) -> None:
    """The plain path would broadcast where the kernel refuses."""
    cell, ours = pair("gru")
    with pytest.raises((ValueError, RuntimeError)):
        cell(x, state)
    with pytest.raises((ValueError, RuntimeError)):
        mapped(ours, x, state) if many else ours(x, state)
