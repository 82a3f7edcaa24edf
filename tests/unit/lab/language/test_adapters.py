import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.errors import LayoutError
from hyperdnn.lab.language import AdapterHead, AdapterSlots


class Block(nn.Module):
    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.query = nn.Linear(5, width)
        self.down = nn.Linear(width, 7)


def _target(*widths: int, select: str = "*.lora_*") -> hd.Target:
    net = nn.Sequential(*(Block(width) for width in widths)).requires_grad_(False)
    targets.attach_lora(net, "*", 2)
    return hd.Target(net, select=select, combine=targets.Residual())


def _filled(head: AdapterHead) -> AdapterHead:
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    return head


@pytest.mark.parametrize("contexts", [(), (1,), (0,), (3,), (2, 3)])
def test_a_slot_is_a_kind_and_a_layer(contexts):
    slots = AdapterSlots(kinds=2, layers=3, features=4)
    features = torch.randn(*contexts, 5)
    rows = slots(features)
    assert rows.shape == (*contexts, 6, 13)
    assert (slots.slots, slots.features) == (6, 8)
    for slot in range(6):
        where = torch.cat([slots.kinds[slot // 3], slots.depths[slot % 3]])
        torch.testing.assert_close(rows[..., slot, 5:], where.expand(*contexts, 8))
        assert rows[..., slot, :5].equal(features)


@pytest.mark.parametrize("contexts", [(), (1,), (0,), (3,), (2, 3)])
def test_a_slot_is_turned_into_all_tensors_of_its_module_by_the_map_of_its_kind(contexts):
    head = _filled(AdapterHead(6, _target(5, 5, 5).layout))
    assert (head.kinds, head.layers, head.slots) == (2, 3, 6)
    features = torch.randn(*contexts, 6, 6)
    weights = head(features)
    head.layout.check(weights)
    for kind, module in enumerate(("query", "down")):
        for layer in range(3):
            made = head.linears[kind](features[..., 3 * kind + layer, :])
            both = [weights[f"{layer}.{module}.lora_{side}.weight"].flatten(-2) for side in "ab"]
            torch.testing.assert_close(torch.cat(both, -1), made)


def test_nothing_is_changed_at_first_and_every_number_can_learn():
    head = AdapterHead(6, _target(5, 5).layout)
    weights = head(torch.randn(4, 6))
    assert all((weight == 0).all() for weight in weights.values())
    sum(weight.sum() for weight in weights.values()).backward()
    assert all((parameter.grad != 0).all() for parameter in head.parameters())


def test_one_tensor_of_each_module_will_do():
    head = AdapterHead(6, _target(5, 5, select="*.lora_b.weight").layout)
    assert {spec.shape for spec in head.layout} == {(5, 2), (7, 2)}
    assert head(torch.randn(3, 4, 6)).keys() == set(head.layout.names)


def test_it_maps():
    head = _filled(AdapterHead(6, _target(5, 5).layout))
    features = torch.randn(3, 4, 6)
    for name, weight in torch.vmap(head)(features).items():
        torch.testing.assert_close(weight, head(features)[name])


def test_layers_that_differ_are_refused():
    with pytest.raises(LayoutError, match="'query': expected one in each of 2 layers, of equal shapes, got 2"):
        AdapterHead(6, _target(5, 4).layout)
    net = nn.Sequential(Block(), Block()).requires_grad_(False)
    targets.attach_lora(net, ("0.query", "0.down", "1.down"), 2)
    with pytest.raises(LayoutError, match="'down': expected one in each of 1 layers"):
        AdapterHead(6, hd.Target(net, select="*.lora_*").layout)


def test_what_is_no_lora_is_refused():
    with pytest.raises(LayoutError, match=r"'0.weight' is no LoRA. Select"):
        AdapterHead(6, hd.ParamLayout.of(nn.Sequential(nn.Linear(2, 2))))
