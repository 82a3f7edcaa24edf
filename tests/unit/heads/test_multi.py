import torch
from torch import nn

from hyperdnn import ParamLayout
from hyperdnn.heads import FullHead, MultiHead


def layout() -> ParamLayout:
    return ParamLayout.of(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)))


def test_one_map_for_each_tensor() -> None:
    head = MultiHead(8, layout())
    assert [linear.out_features for linear in head.linears] == [12, 4, 4, 4]
    assert head.slots is None


def test_with_the_rows_of_a_full_head_it_generates_the_same() -> None:
    full, multi = FullHead(8, layout()), MultiHead(8, layout())
    rows = zip(full.linear.weight.split(layout().sizes), full.linear.bias.split(layout().sizes), strict=True)
    with torch.no_grad():
        for linear, (weight, bias) in zip(multi.linears, rows, strict=True):
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
    features = torch.randn(5, 8)
    torch.testing.assert_close(multi(features), full(features))


def test_a_frozen_map_leaves_its_tensor_alone() -> None:
    head = MultiHead(8, layout())
    head.linears[0].requires_grad_(False)
    weights = head(torch.randn(8))
    assert [w.requires_grad for w in weights.values()] == [False, True, True, True]
