from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.spaces import BankNetwork, Banks, Op

BANKS = Banks(ops=(2, 1), size=2, inputs=2, memory=5, width=2, kernels=(1, 3, 5), dilations=2)
make = partial(BankNetwork, BANKS, channels=1, classes=3)


def active(x):
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
    return ((x - mean) / (variance + 1e-5).sqrt()).clamp(min=0)


@torch.no_grad()
def _any(network):
    """The same network with numbers in every place of a kernel."""
    for operation in network.ops:
        operation.main.weight.normal_()
    return network


def by_hand(network, images, plan):
    """Bank by bank, from the weights of the widest network, in place of slices."""
    banks = dict(enumerate(network.stem(images).clamp(min=0).split(2, 1)))
    for index, op in enumerate(plan):
        if op.block and not plan[index - 1].block:
            x = active(torch.cat([banks[b] for b in sorted(banks)], 1))
            kernel = network.transitions[0].weight[:, : x.shape[1]]
            banks = dict(enumerate(F.avg_pool2d(F.conv2d(x, kernel), 2, ceil_mode=True).split(2, 1)))
        width = 2 * len(op.writes)
        opening = network.ops[index].opening.weight
        opening = torch.cat([opening[:width, 2 * b : 2 * b + 2] for b in op.reads], 1)
        opening = opening / opening.square().sum().sqrt()
        x = F.conv2d(active(torch.cat([banks[b] for b in op.reads], 1)), opening)
        main = network.ops[index].main.weight
        middle = [k for k in range(5) if abs(k - 2) <= op.kernel // 2]
        main = main[:width, :width][:, :, middle][:, :, :, middle]
        x = F.conv2d(active(x), main, dilation=op.dilation, padding="same")
        for bank, part in zip(op.writes, x.split(2, 1), strict=True):
            banks[bank] = banks[bank] + part if bank in banks else part
    x = active(torch.cat([banks[b] for b in sorted(banks)], 1)).mean((2, 3))
    return x @ network.out.weight[:, : x.shape[1]].T + network.out.bias


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999))
def test_any_architecture_runs_on_its_part_of_the_widest_network(seed):
    torch.manual_seed(seed)
    network, images = _any(make()).double(), torch.randn(3, 1, 7, 6).double()
    plan = BANKS.draw(torch.Generator().manual_seed(seed))
    torch.testing.assert_close(network(images, plan), by_hand(network, images, plan))


def test_a_network_of_its_own_has_just_the_weights_that_it_needs():
    plan = (
        Op(block=0, reads=(1,), writes=(2,), kernel=3, dilation=2),
        Op(block=0, reads=(0, 2), writes=(0, 1), kernel=1, dilation=1),
        Op(block=1, reads=(0, 1), writes=(0, 2), kernel=5, dilation=1),
    )
    network = make(plan)
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
    assert shapes == {
        "stem.weight": (4, 1, 3, 3),
        "ops.0.opening.weight": (2, 2, 1, 1),
        "ops.0.main.weight": (2, 2, 3, 3),
        "ops.1.opening.weight": (4, 4, 1, 1),
        "ops.1.main.weight": (4, 4, 1, 1),
        "ops.2.opening.weight": (4, 4, 1, 1),
        "ops.2.main.weight": (4, 4, 5, 5),
        "transitions.0.weight": (4, 6, 1, 1),
        "out.weight": (3, 6),
        "out.bias": (3,),
    }


def test_it_computes_what_the_widest_does_with_the_same_numbers():
    plan = BANKS.draw(torch.Generator().manual_seed(1))
    wide, own, images = _any(make()), make(plan), torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        for name, parameter in own.named_parameters():
            full = wide.get_parameter(name)
            if "opening" in name:
                reads = plan[int(name.split(".")[1])].reads
                full = torch.cat([full[:, 2 * b : 2 * b + 2] for b in reads], 1)
            if "main" in name:
                edge = (5 - parameter.shape[-1]) // 2
                full = full[..., edge : 5 - edge, edge : 5 - edge]
            parameter.copy_(full[tuple(slice(side) for side in parameter.shape)])
    torch.testing.assert_close(own(images), wide(images, plan))


def test_gradients_reach_the_part_that_is_used_and_nothing_else():
    network, plan = make(), (Op(block=0, reads=(1,), writes=(2,), kernel=3, dilation=1),) * 2
    plan = (*plan, Op(block=1, reads=(0,), writes=(0,), kernel=1, dilation=1))
    network(torch.randn(4, 1, 8, 8), plan).square().sum().backward()
    opening, main = network.ops[0].opening.weight.grad, network.ops[0].main.weight.grad
    assert opening[:2, 2:4].any()
    assert main[:2, :2, 1:4, 1:4].any()
    opening[:2, 2:4] = 0
    main[:2, :2, 1:4, 1:4] = 0
    assert not opening.any()
    assert not main.any()


def test_evaluation_takes_no_statistics_of_another_architecture():
    network, images = make(), torch.randn(4, 1, 8, 8)
    plans = [BANKS.draw(torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    alone = network.eval()(images, plans[0])
    network.train()(10 * images, plans[1])
    assert network.eval()(images, plans[0]).equal(alone)
    assert not list(network.buffers())


def test_the_scale_of_an_opening_does_not_matter():
    network, images = make(BANKS.draw(torch.Generator().manual_seed(0))), torch.randn(4, 1, 8, 8)
    before = network(images)
    with torch.no_grad():
        network.ops[0].opening.weight.mul_(1e-6)
    torch.testing.assert_close(network(images), before)


def test_larger_kernels_add_nothing_in_the_beginning():
    network, images = make(), torch.randn(4, 1, 8, 8)
    plan = BANKS.draw(torch.Generator().manual_seed(2))
    outputs = [network(images, tuple(replace(op, kernel=side) for op in plan)) for side in (1, 3, 5)]
    torch.testing.assert_close(outputs[1:], [outputs[0]] * 2)
    middle = network.ops[0].main.weight[..., 2, 2]
    torch.testing.assert_close(middle @ middle.T, torch.eye(4))


def test_what_is_no_part_is_refused():
    small = tuple(Op(block=b, reads=(0,), writes=(1,), kernel=3, dilation=1) for b in (0, 0, 1))
    network, images = make(small), torch.randn(4, 1, 8, 8)
    assert network(images).shape == (4, 3)
    with pytest.raises(ConfigError, match=r"plan: Op.*reads=\(0, 1\).*is no part of Op.*Build the network for a wider"):
        network(images, (Op(block=0, reads=(0, 1), writes=(1,), kernel=3, dilation=1), *small[1:]))
    with pytest.raises(ConfigError, match=r"kernel=5.* is no part of"):
        network(images, (Op(block=0, reads=(0,), writes=(1,), kernel=5, dilation=1), *small[1:]))
    with pytest.raises(ConfigError, match="plan: expected 3 operations, got 2"):
        network(images, small[:2])
    with pytest.raises(ConfigError, match=r"plan: Op.*reads what is not there: 2 banks"):
        make()(images)  # the widest reads what nobody has written
    with pytest.raises(ConfigError, match="stem: expected an odd side of a kernel, got 2"):
        make(stem=2)
