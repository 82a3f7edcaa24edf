import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from hyperdnn.errors import BufferPolicyError
from hyperdnn.nn import PooledBatchNorm

LAYERS = {
    "vectors": (lambda: nn.BatchNorm1d(3), (8, 3)),
    "sequences": (lambda: nn.BatchNorm1d(3, momentum=0.3), (8, 3, 5)),
    "images": (lambda: nn.BatchNorm2d(3, eps=1e-2), (4, 3, 5, 2)),
    "volumes": (lambda: nn.BatchNorm3d(3, affine=False), (4, 3, 2, 2, 2)),
    "average": (lambda: nn.BatchNorm2d(3, momentum=None), (4, 3, 5, 2)),
}


def pair(name: str) -> tuple[nn.Module, PooledBatchNorm, Tensor]:
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    layer = make().double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer, PooledBatchNorm(copy.deepcopy(layer)), 2 * torch.randn(*shape, dtype=torch.float64) + 1


def same_statistics(ours: nn.Module, layer: nn.Module) -> None:
    torch.testing.assert_close(dict(ours.named_buffers()), dict(layer.named_buffers()))


@pytest.mark.parametrize("name", LAYERS)
def test_training_equals_torch_in_value_gradient_and_statistics(name: str) -> None:
    layer, ours, x = pair(name)
    for _ in range(3):
        mine, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
        out, expected = ours(mine), layer(theirs)
        torch.testing.assert_close(out, expected)
        weights = torch.randn_like(out)
        got = torch.autograd.grad((out**3 * weights).sum(), [mine, *ours.parameters()])
        wanted = torch.autograd.grad((expected**3 * weights).sum(), [theirs, *layer.parameters()])
        torch.testing.assert_close(got, wanted)
        same_statistics(ours, layer)
        x = x + 1


@pytest.mark.parametrize("name", LAYERS)
def test_evaluation_uses_the_running_statistics_and_leaves_them(name: str) -> None:
    layer, ours, x = pair(name)
    layer(x), ours(x)
    layer.eval(), ours.eval()
    torch.testing.assert_close(ours(x + 5), layer(x + 5))
    same_statistics(ours, layer)


def test_first_and_second_derivatives_agree_with_finite_differences() -> None:
    _, ours, x = pair("sequences")
    x = x[:3].requires_grad_()

    def run(x: Tensor) -> Tensor:
        return ours(x) ** 2

    assert torch.autograd.gradcheck(run, x)
    assert torch.autograd.gradgradcheck(run, x)


@pytest.mark.parametrize("name", LAYERS)
def test_mapped_contexts_are_one_large_batch(name: str) -> None:
    layer, ours, x = pair(name)
    data = torch.stack([x, 3 * x - 2])
    mine, theirs = data.clone().requires_grad_(), data.clone().requires_grad_()
    out = torch.vmap(ours)(mine)
    expected = layer(theirs.flatten(0, 1)).unflatten(0, (2, -1))
    torch.testing.assert_close(out, expected)
    got, wanted = (torch.autograd.grad((o**3).sum(), i)[0] for o, i in [(out, mine), (expected, theirs)])
    torch.testing.assert_close(got, wanted)
    same_statistics(ours, layer)


def test_two_mapped_dimensions_and_one_not_in_front() -> None:
    layer, ours, x = pair("images")
    data = torch.stack([torch.stack([x, 2 * x]), torch.stack([x + 1, x * x]), torch.stack([-x, x - 3])])
    expected = layer(data.flatten(0, 2)).unflatten(0, (3, 2, -1))
    out = torch.vmap(torch.vmap(ours, in_dims=1, out_dims=1))(data.movedim(1, 2)).movedim(2, 1)
    torch.testing.assert_close(out, expected)
    same_statistics(ours, layer)


def test_each_context_has_its_own_gain_on_common_statistics() -> None:
    _, ours, x = pair("vectors")
    data = torch.stack([x, 3 * x - 2])
    weights = {"weight": torch.randn(2, 3).double(), "bias": torch.randn(2, 3).double()}
    out = torch.vmap(lambda w, d: functional_call(ours, w, (d,)))(weights, data)
    flat = data.flatten(0, 1)
    standard = (data - flat.mean(0)) / (flat.var(0, correction=0) + ours.eps).sqrt()
    torch.testing.assert_close(out, standard * weights["weight"][:, None] + weights["bias"][:, None])


def test_data_that_all_contexts_share_counts_once() -> None:
    layer, ours, x = pair("vectors")
    weights = {"weight": torch.randn(2, 3).double(), "bias": torch.randn(2, 3).double()}
    torch.vmap(lambda w: functional_call(ours, w, (x,)))(weights)
    layer(x)
    same_statistics(ours, layer)


@pytest.mark.parametrize("name", LAYERS)
def test_restore_builds_the_layer_again(name: str) -> None:
    layer, ours, x = pair(name)
    layer(x), ours(x)
    again = ours.restore()
    assert repr(again) == repr(layer)
    again.double().load_state_dict(ours.state_dict())
    torch.testing.assert_close(again.eval()(x), layer.eval()(x))


def test_it_takes_over_mode_parameters_and_statistics() -> None:
    layer = nn.BatchNorm1d(3).eval()
    ours = PooledBatchNorm(layer)
    assert not ours.training
    assert list(ours.state_dict()) == list(layer.state_dict())
    assert ours.weight is layer.weight
    assert ours.running_mean is layer.running_mean


def test_a_single_value_for_a_channel_has_no_variance() -> None:
    _, ours, x = pair("vectors")
    with pytest.raises(BufferPolicyError, match="one value for each channel"):
        ours(x[:1])
    assert torch.vmap(ours)(x[:2, None]).shape == (2, 1, 3)  # with another context there are two
    assert ours.eval()(x[:1]).shape == (1, 3)


def test_a_refused_call_leaves_the_statistics() -> None:
    _, ours, x = pair("vectors")
    before = copy.deepcopy(ours.state_dict())
    with pytest.raises(BufferPolicyError):
        ours(x[:1])
    assert all(torch.equal(before[name], tensor) for name, tensor in ours.state_dict().items())


def test_half_precision_inputs_on_single_precision_statistics() -> None:
    """What autocast makes of a convolution in front."""
    layer = nn.BatchNorm1d(3)
    ours, x = PooledBatchNorm(copy.deepcopy(layer)), torch.randn(50, 3).bfloat16() + 1
    out, expected = ours(x), layer(x)
    assert out.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(out, expected, rtol=0.02, atol=0.02)
    torch.testing.assert_close(dict(ours.named_buffers()), dict(layer.named_buffers()), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("shape", [(3,), (8, 4), (8, 4, 3)])
def test_a_wrong_shape_raises_as_torch_does(shape: tuple[int, ...]) -> None:
    with pytest.raises((ValueError, RuntimeError)) as expected:
        nn.BatchNorm1d(3)(torch.zeros(shape))
    with pytest.raises(expected.type):
        PooledBatchNorm(nn.BatchNorm1d(3))(torch.zeros(shape))
