import torch
from torch import nn

from hyperdnn.lab.baselines import Several


def test_the_context_says_which_one_is_run():
    networks = [nn.Linear(2, 3) for _ in range(3)]
    model, x = Several(networks), torch.randn(4, 2)
    for index, network in enumerate(networks):
        assert model(x, context=torch.tensor(index)).equal(network(x))


def test_others_get_no_gradient():
    model = Several([nn.Linear(2, 3) for _ in range(2)])
    model(torch.randn(4, 2), context=torch.tensor(1)).sum().backward()
    assert [p.grad is None for p in model.parameters()] == [True, True, False, False]
