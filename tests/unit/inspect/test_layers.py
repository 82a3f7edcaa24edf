import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.inspect._layers import by_layer, compared, layers


def test_a_layer_is_the_module_that_owns_the_parameters():
    net = nn.Sequential(nn.Linear(2, 3), nn.MultiheadAttention(4, 2), nn.LayerNorm(4))
    found = layers(hd.Target(net))
    assert list(found) == ["0", "1", "1.out_proj", "2"]
    assert found["0"] == ("0.weight", "0.bias")


def test_factors_and_moments_of_a_parameter_stay_together():
    for combine in (targets.Gaussian(), targets.LowRank(1), targets.Residual()):
        target = hd.Target(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)), combine=combine)
        found = layers(target)
        assert list(found) == ["0", "1"]
        assert [name for names in found.values() for name in names] == list(target.layout.names)


def test_what_is_attached_belongs_to_its_layer():
    net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 2)))
    net.requires_grad_(False)
    targets.attach_lora(net, "*", rank=1)
    targets.attach_film(net, "1.0")
    found = layers(hd.Target(net, select=("*lora_*", "*film*")))
    assert found["0"] == ("0.lora_a.weight", "0.lora_b.weight")
    assert list(found) == ["0", "1.0"]
    assert len(found["1.0"]) == 4


def test_parameters_of_the_target_itself():
    assert list(layers(hd.Target(nn.Linear(2, 3)))) == ["(itself)"]


def test_each_number_of_a_layer_counts_once():
    target = hd.Target(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1, bias=False)))
    squares = torch.tensor([[4.0, 1.0, 9.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    expected = torch.tensor([[((6 * 4.0 + 3 * 1.0) / 9) ** 0.5, 3.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(by_layer(target, squares), expected)


def test_of_a_distribution_the_means_count():
    target = hd.Target(nn.Linear(2, 1, bias=False), combine=targets.Gaussian())
    assert compared(target) == ("weight.mean",)
    assert by_layer(target, torch.tensor([4.0, 100.0])).tolist() == [2.0]
