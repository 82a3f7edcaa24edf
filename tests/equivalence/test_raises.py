"""Where the plain module raises, every verb raises: an error of the same kind, or one of ours that says it better."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import HyperDNNError


class _Cell(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, inputs):
        x, state = inputs
        return self.cell(x, state if isinstance(state, torch.Tensor) else tuple(state))


class _Table(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 2)

    def forward(self, tokens):
        return self.embedding(tokens)


R, LONG = torch.randn, torch.long
CASES = {  # module, policy, input
    "width": (lambda: nn.Linear(3, 2), None, R(4, 5)),
    "width-one": (lambda: nn.Linear(3, 2), None, R(4, 1)),
    "type": (lambda: nn.Linear(3, 2), None, torch.ones(4, 3, dtype=LONG)),
    "channels": (lambda: nn.Conv1d(2, 3, 2), None, R(4, 6, 5)),
    "channels-grouped": (lambda: nn.Conv2d(4, 4, 2, groups=2), None, R(4, 8, 3, 3)),
    "channels-transposed": (lambda: nn.ConvTranspose1d(4, 4, 2, groups=2), None, R(4, 2, 3)),
    "kernel": (lambda: nn.Conv1d(2, 3, 4), None, R(4, 2, 3)),
    "layer-norm": (lambda: nn.LayerNorm(3), None, R(4, 1)),
    "group-norm": (lambda: nn.GroupNorm(2, 4), None, R(4, 8)),
    "index": (_Table, None, torch.tensor([1, 5])),
    "index-negative": (_Table, None, torch.tensor([1, -1])),
    "one-value": (lambda: nn.BatchNorm1d(3), "batch", R(1, 3)),
    "norm-channels-frozen": (lambda: nn.BatchNorm1d(3), "frozen", R(4, 5)),
    "norm-channels-shared": (lambda: nn.BatchNorm1d(3), "shared", R(4, 5)),
    "norm-rank-shared": (lambda: nn.BatchNorm2d(3), "shared", R(4, 3, 5)),
    "norm-rank-too-high-shared": (lambda: nn.BatchNorm1d(3), "shared", R(4, 3, 5, 5)),
    "lstm-width": (lambda: nn.LSTM(3, 4), None, R(5, 2, 4)),
    "lstm-rank": (lambda: nn.LSTM(3, 4), None, R(5, 2, 2, 3)),
    "lstm-empty": (lambda: nn.LSTM(3, 4), None, R(0, 2, 3)),
    "gru-state-batch": (lambda: _Cell(nn.GRU(3, 4)), None, (R(5, 2, 3), R(1, 1, 4))),
    "gru-state-layers": (lambda: _Cell(nn.GRU(3, 4, 2)), None, (R(5, 2, 3), R(1, 2, 4))),
    "lstm-state-width": (lambda: _Cell(nn.LSTM(3, 4)), None, (R(5, 2, 3), [R(1, 2, 4), R(1, 2, 1)])),
    "cell-width": (lambda: nn.LSTMCell(3, 4), None, R(5, 4)),
    "lstm-cell-state-batch": (lambda: _Cell(nn.LSTMCell(3, 4)), None, (R(5, 3), [R(5, 4), R(1, 4)])),
    "lstm-cell-state-width": (lambda: _Cell(nn.LSTMCell(3, 4)), None, (R(5, 3), [R(5, 4), R(5, 1)])),
    "gru-cell-state-batch": (lambda: _Cell(nn.GRUCell(3, 4)), None, (R(5, 3), R(1, 4))),
    "rnn-cell-state-batch": (lambda: _Cell(nn.RNNCell(3, 4)), None, (R(5, 3), R(1, 4))),
}


def _repeated(data, times):
    if isinstance(data, torch.Tensor):
        return data.expand(times, *data.shape)
    return type(data)(_repeated(part, times) for part in data)


@pytest.mark.parametrize("mode", ["single", "batched", "shared data", "loop"])
@pytest.mark.parametrize("case", CASES)
def test_raises_where_the_module_raises(case, mode):
    make, policy, data = CASES[case]
    with pytest.raises(Exception) as plain:  # noqa: PT011 - the point is to learn which
        make()(data)
    target = hd.Target(make(), buffers=policy)
    contexts = () if mode == "single" else (3,)
    weights = {spec.name: torch.randn((*contexts, *spec.shape)) for spec in target.layout}
    call = {
        "single": lambda: target(weights, data),
        "batched": lambda: target.batched(weights, _repeated(data, 3)),
        "shared data": lambda: target.batched(weights, data, data_dims=None),
        "loop": lambda: target.batched(weights, _repeated(data, 3), mode="loop"),
    }[mode]
    with pytest.raises((plain.type, HyperDNNError)):
        call()


@pytest.mark.parametrize("index", [5, -1])
def test_an_index_beyond_the_table_never_reads_another_context(index):
    target = hd.Target(_Table())
    weights = {"embedding.weight": torch.randn(3, 5, 2)}
    tokens = torch.zeros(3, 2, dtype=LONG)
    tokens[1, 0] = index  # beyond its own table lie the rows of its neighbours
    with pytest.raises(IndexError):
        target.batched(weights, tokens)


_UNKNOWN_MODE = """
import torch, hyperdnn as hd
target = hd.Target(torch.nn.Linear(3, 2))
weights = {"weight": torch.randn(4, 2, 3), "bias": torch.randn(4, 2)}
for call in (target.batched, target.paired):
    try:
        call(weights, torch.randn(4, 3), mode="lop")
    except hd.errors.HyperDNNError as error:
        assert "lop" in str(error)
    else:
        raise SystemExit(f"{call.__name__} took a mode that does not exist")
"""


def test_an_unknown_mode_is_refused():
    # In a process of its own, as users run it: here the tests' check of types would refuse it first.
    run = subprocess.run([sys.executable, "-c", _UNKNOWN_MODE], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_calls_without_data_are_explained():
    target = hd.Target(nn.Linear(3, 2))
    with pytest.raises(HyperDNNError, match="index"):
        target.grouped({"weight": R(4, 2, 3), "bias": R(4, 2)})
