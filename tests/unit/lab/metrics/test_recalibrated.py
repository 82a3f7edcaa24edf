import torch
from torch import nn

from hyperdnn.lab.metrics import recalibrated_accuracy


def test_statistics_are_plain_means_over_the_batches_whatever_was_there():
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 4))
    network[0].running_mean.fill_(7.0)
    batches = [torch.randn(20, 3) + k for k in range(4)]
    inputs = torch.randn(2500, 3)  # in several portions
    targets = torch.randint(4, (2500,))
    mean = torch.stack([batch.mean(0) for batch in batches]).mean(0)
    variance = torch.stack([batch.var(0) for batch in batches]).mean(0)
    logits = network[1]((inputs - mean) / (variance + network[0].eps).sqrt())
    found = recalibrated_accuracy(network, batches, inputs, targets)
    assert found == (logits.argmax(-1) == targets).double().mean().item()
    torch.testing.assert_close(network[0].running_mean, mean)
    assert not network.training


def test_a_network_without_statistics_is_only_measured():
    network = nn.Linear(3, 2, bias=False)
    network.weight.data = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    inputs = torch.tensor([[1.0, 0, 5], [0, 1, 5], [0, 1, 5]])
    assert recalibrated_accuracy(network, iter([]), inputs, torch.tensor([0, 1, 0])) == 2 / 3
