import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import hyperdnn as hd
from hyperdnn._torch import WeightNormBase
from hyperdnn.nn import WeightNorm

LAYERS = {
    "linear": (lambda: nn.Linear(3, 4), (5, 3)),
    "convolution": (lambda: nn.Conv2d(2, 4, 3), (5, 2, 6, 6)),
    "transposed": (lambda: nn.ConvTranspose1d(3, 4, 2), (5, 3, 6)),
}


@pytest.mark.parametrize("dim", [0, 1, 2, None])
def test_lengths_and_directions_as_torch_has_them(dim: int | None) -> None:
    theirs = WeightNormBase(dim)
    weight = torch.randn(4, 3, 2)
    length, direction = theirs.right_inverse(weight)
    ours = WeightNorm(theirs)
    torch.testing.assert_close(ours(2 * length, direction), theirs(2 * length, direction))
    torch.testing.assert_close(ours.right_inverse(weight), (length, direction))
    assert ours.restore().dim == theirs.dim


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("select", ["*.original0", "*.original*"])
def test_many_contexts_are_a_loop_over_them(name: str, select: str) -> None:
    make, shape = LAYERS[name]
    net = nn.Sequential(weight_norm(make()))
    plain, x = copy.deepcopy(net), torch.randn(shape)
    target = hd.Target(net, select=select)
    weights = {spec.name: torch.randn(3, *spec.shape) for spec in target.layout}
    together = target.batched(weights, x, data_dims=None)
    for i in range(3):
        for leaf, value in weights.items():
            plain.get_parameter(leaf).data.copy_(value[i])
        torch.testing.assert_close(together[i], plain(x))
        baked = target.bake({leaf: value[i] for leaf, value in weights.items()})
        assert type(baked[0].parametrizations["weight"][0]) is WeightNormBase
        torch.testing.assert_close(baked(x), plain(x))


def test_differentiates_twice() -> None:
    module = WeightNorm(WeightNormBase(0))
    length, direction = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((3, 1), (3, 2)))
    assert torch.autograd.gradcheck(module, (length, direction))
    assert torch.autograd.gradgradcheck(lambda *given: module(*given).sin(), (length, direction))


def test_a_weight_can_be_assigned() -> None:
    target = hd.Target(nn.Sequential(weight_norm(nn.Linear(3, 4)), nn.Linear(4, 2)), select="1.*")
    weight = torch.randn(4, 3)
    with torch.no_grad():
        target.module[0].weight = weight
    torch.testing.assert_close(target.module[0].weight, weight)
