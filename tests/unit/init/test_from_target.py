import copy

import jaxtyping
import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import heads, init
from hyperdnn.errors import LayoutError

HEADS = {"full": heads.FullHead, "multi": heads.MultiHead}


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.mark.parametrize("head", HEADS)
def test_every_context_starts_at_the_given_weights(head: str) -> None:
    module = net()
    made = HEADS[head](8, hd.ParamLayout.of(module))
    init.from_target_(made, module)
    for context in (torch.randn(8), torch.zeros(8), 5 * torch.randn(8)):
        weights = made(context)
        assert all(torch.equal(weights[name], value) for name, value in module.state_dict().items())


@pytest.mark.parametrize("head", HEADS)
def test_gradients_make_contexts_differ_after_one_step(head: str) -> None:
    module = net()
    made = HEADS[head](8, hd.ParamLayout.of(module))
    init.from_target_(made, module)
    features = torch.randn(2, 8)
    weights = made(features)
    (weights["0.weight"][0].sum() - weights["0.weight"][1].sum()).backward()
    torch.optim.SGD(made.parameters(), 0.1).step()
    assert not torch.equal(*made(features)["0.weight"])


def test_only_the_selected_weights_are_read_and_values_are_copied() -> None:
    module = net()
    made = heads.FullHead(8, hd.ParamLayout.of(module).select("2.*"))
    values = {name: p.detach().clone() for name, p in module.named_parameters()}
    init.from_target_(made, values)
    values["2.bias"].fill_(9)
    assert torch.equal(made(torch.randn(8))["2.bias"], module[2].bias)


def test_tied_weights_and_other_number_formats() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].weight = module[0].weight
    made = heads.FullHead(8, hd.ParamLayout.of(module))
    init.from_target_(made, copy.deepcopy(module).double())
    assert torch.equal(made(torch.randn(8))["0.weight"], module[0].weight)


def test_a_module_already_taken_over_has_no_values_left() -> None:
    module = net()
    made = heads.FullHead(8, hd.Target(module).layout)
    with pytest.raises(LayoutError, match=r"'0\.weight' has no starting value\. A Target removes"):
        init.from_target_(made, module)


def test_values_of_another_shape_are_named() -> None:
    made = heads.FullHead(8, hd.ParamLayout.of(net()))
    with pytest.raises(LayoutError, match=r"'0\.weight': expected"):
        init.from_target_(made, nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2)))


def test_values_of_many_contexts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user: types are checked in tests only
    module = net()
    made = heads.FullHead(8, hd.ParamLayout.of(module))
    with pytest.raises(LayoutError):
        init.from_target_(made, {name: p.detach()[None] for name, p in module.named_parameters()})
