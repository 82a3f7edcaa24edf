import copy

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.errors import BufferPolicyError, ContextError


def weights_for(target: hd.Target, *contexts: int) -> dict[str, Tensor]:
    return {spec.name: torch.randn(*contexts, *spec.shape) for spec in target.layout}


def test_a_baked_network_is_the_targets_own_class_with_its_names() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.LSTM(4, 2), nn.Identity())
    fresh = copy.deepcopy(net)
    target = hd.Target(net)
    baked = target.bake(weights_for(target))
    assert repr(baked) == repr(fresh)
    assert list(baked.state_dict()) == list(fresh.state_dict())
    assert all(isinstance(p, nn.Parameter) and p.requires_grad and p.is_leaf for p in baked.parameters())
    assert not any(type(m).__module__.startswith("hyperdnn") for m in baked.modules())


def test_nothing_is_shared_with_the_target_or_the_weights() -> None:
    target = hd.Target(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), "1.*")
    weights, x = weights_for(target), torch.randn(5, 3)
    baked = target.bake(weights)
    before = target(weights, x)
    with torch.no_grad():
        for parameter in baked.parameters():
            parameter.fill_(0)
    assert torch.equal(target(weights, x), before)


def test_tied_weights_are_tied_again() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    target = hd.Target(net)
    baked = target.bake(weights_for(target))
    assert baked[0].weight is baked[1].weight
    assert len(list(baked.parameters())) == 3


@pytest.mark.parametrize("combine", [targets.Residual(), targets.Scale(), targets.LowRank(2)])
def test_combined_weights_are_multiplied_out(combine: targets.Residual) -> None:
    target = hd.Target(nn.Linear(3, 4), combine=combine)
    weights, x = weights_for(target), torch.randn(5, 3)
    torch.testing.assert_close(target.bake(weights)(x), target(weights, x))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("policy", ["frozen", "batch", "shared"])
def test_running_statistics_go_along(policy: targets.Policy, training: bool) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.7))
    net(torch.randn(20, 3) + 3)
    target = hd.Target(net, buffers=policy).train(training)
    weights, x = weights_for(target), torch.randn(5, 3)
    baked = target.bake(weights)
    assert type(baked[1]) is nn.BatchNorm1d
    torch.testing.assert_close(baked(x), target(weights, x))


def test_per_context_statistics_are_passed() -> None:
    target = hd.Target(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), buffers="per_context")
    weights, x = weights_for(target), torch.randn(5, 3)
    _, buffers = target.with_buffers(weights, x, target.initial_buffers(2), torch.tensor(1))
    own = {name: buffer[1] for name, buffer in buffers.items()}
    target.eval()
    expected, _ = target.with_buffers(weights, x, buffers, torch.tensor(1))
    torch.testing.assert_close(target.bake(weights, buffers=own)(x), expected)
    with pytest.raises(
        BufferPolicyError, match=r"expected running statistics for \['1\.num_batches_tracked', .* got none"
    ):
        target.bake(weights)


def test_statistics_are_not_wanted_elsewhere() -> None:
    target = hd.Target(nn.Linear(3, 4))
    with pytest.raises(BufferPolicyError, match=r"expected running statistics for nothing .*got \['x'\]"):
        target.bake(weights_for(target), buffers={"x": torch.zeros(1)})


def test_one_context_makes_one_network() -> None:
    target = hd.Target(nn.Linear(3, 4))
    with pytest.raises(ContextError, match=r"bake makes one network, got weights of \(2,\) contexts"):
        target.bake(weights_for(target, 2))


def test_parameters_keep_the_targets_number_format() -> None:
    """The class and the format of the network that was taken over, whatever the hypernet computes in."""
    target = hd.Target(nn.Linear(3, 4).double())
    assert {p.dtype for p in target.bake(weights_for(target)).parameters()} == {torch.float64}


def test_a_baked_network_is_a_plain_one_that_can_be_taken_over() -> None:
    model = hd.HyperDNN.for_tasks(nn.Sequential(nn.Linear(3, 4), nn.LSTM(4, 2, batch_first=True)), 2)
    again = hd.HyperDNN.for_tasks(model.bake(torch.tensor(1)), 3, init="target")
    x = torch.randn(2, 5, 3)
    expected = model.bake(torch.tensor(1))(x)
    torch.testing.assert_close(again(x, context=torch.tensor(2)), expected)
