from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.losses import elastic_change, remember_elastic


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(3, 4, batch_first=True)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.drop(self.rnn(x)[0][:, -1]))


@pytest.fixture
def net() -> Net:
    return Net().double()


X, Y = torch.randn(6, 5, 3, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1, 0])


def test_importance_is_the_mean_square_of_single_gradients(net):
    before = deepcopy(net.state_dict())
    memory = remember_elastic(net, X, Y, F.cross_entropy)
    plain = deepcopy(net).eval()
    squares = {name: torch.zeros_like(p) for name, p in plain.named_parameters()}
    for x, y in zip(X, Y, strict=True):
        grads = torch.autograd.grad(F.cross_entropy(plain(x[None]), y[None]), list(plain.parameters()))
        for (name, _), g in zip(plain.named_parameters(), grads, strict=True):
            squares[name] += g**2 / len(X)
    torch.testing.assert_close(memory["importance"], squares)
    assert net.training
    assert all(p.equal(before[name]) for name, p in net.named_parameters())
    assert isinstance(net.rnn, nn.RNN)
    assert all(p.grad is None for p in net.parameters())


def test_change_is_half_the_weighted_squared_distance(net):
    memory = remember_elastic(net, X, Y, F.cross_entropy)
    assert elastic_change(net, memory).item() == 0
    with torch.no_grad():
        net.out.bias += 2.0
    expected = 0.5 * 4 * memory["importance"]["out.bias"].sum()
    torch.testing.assert_close(elastic_change(net, memory), expected)
    elastic_change(net, memory).backward()
    torch.testing.assert_close(net.out.bias.grad, 2 * memory["importance"]["out.bias"])


def test_earlier_importance_is_kept_under_the_present_weights(net):
    first = remember_elastic(net, X, Y, F.cross_entropy)
    with torch.no_grad():
        net.out.bias += 1.0
    alone = remember_elastic(net, X, 1 - Y, F.cross_entropy)
    both = remember_elastic(net, X, 1 - Y, F.cross_entropy, earlier=first, decay=0.9)
    for name, p in net.named_parameters():
        torch.testing.assert_close(
            both["importance"][name], 0.9 * first["importance"][name] + alone["importance"][name]
        )
        assert both["weights"][name].equal(p)
    assert not both["weights"]["out.bias"].equal(first["weights"]["out.bias"])


def test_without_memory_nothing_changes(net):
    assert elastic_change(net, None).item() == 0


def test_no_sample_is_refused(net):
    with pytest.raises(ConfigError, match="at least one sample"):
        remember_elastic(net, X[:0], Y[:0], F.cross_entropy)
