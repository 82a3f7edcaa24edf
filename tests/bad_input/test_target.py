"""Modules that cannot be a target as they are, and targets that were changed behind our back."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import heads, targets
from hyperdnn.errors import BatchingError, BufferPolicyError, ConfigError, LayoutError


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def with_norm() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


@pytest.mark.parametrize(
    ("select", "words"),
    [
        ("2.wieght", r"select='2\.wieght' matches no parameter\. Did you mean '2\.weight'\?"),
        ("head.*", r"select='head\.\*' matches no parameter\. Known: '0\.weight', '0\.bias', '2\.weight', '2\.bias'"),
        (("2.*", "3.*"), r"select='3\.\*' matches no parameter"),
        (nn.Conv2d, "select=Conv2d matches no parameter: none belongs to such a layer. Found: Linear"),
        (lambda spec: spec.kind == "convolution", "matches no parameter of '0.weight'"),
    ],
)
def test_a_selection_of_nothing(select: object, words: str) -> None:
    with pytest.raises(LayoutError, match=words):
        hd.Target(net(), select)


def test_no_selector_at_all() -> None:
    with pytest.raises(LayoutError, match="select"):
        hd.Target(net(), ())


@pytest.mark.parametrize("select", [3, [3], [None]], ids=repr)
def test_a_selector_of_another_kind(select: object) -> None:
    with pytest.raises((LayoutError, ConfigError), match="select="):
        hd.Target(net(), select)


def test_a_target_without_parameters() -> None:
    with pytest.raises(LayoutError, match="ReLU has no parameters: there is nothing to generate"):
        hd.Target(nn.ReLU())


@pytest.mark.parametrize("select", ["*", "2.*"])
def test_a_target_already_taken_over(select: str) -> None:
    module = net()
    hd.Target(module, select)
    with pytest.raises(LayoutError, match="already") as caught:
        hd.Target(module, select)
    assert "fresh module" in str(caught.value)


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_parameters() -> None:
    with pytest.raises(LayoutError, match=r"'0\.weight' has no shape yet: run the module once on an example"):
        hd.Target(nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 2)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value: float) -> None:
    module = net()
    with torch.no_grad():
        module[2].weight[0, 1] = value
    with pytest.raises(LayoutError, match=r"'2\.weight' holds a value that is not finite"):
        hd.Target(module)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int64])
def test_parameters_that_are_no_real_numbers(dtype: torch.dtype) -> None:
    """Generated numbers are real: a complex parameter would silently lose its imaginary part."""
    module = nn.ParameterDict({"w": nn.Parameter(torch.zeros(3, dtype=dtype), requires_grad=False)})
    with pytest.raises(LayoutError, match="'w'.*" + str(dtype)):
        hd.Target(module)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda m: m.__setitem__(2, nn.Linear(4, 2)), "2.weight"),
        (lambda m: m.__setitem__(2, nn.Identity()), "2.weight"),
        (lambda m: m.__delitem__(2), "2.weight"),
    ],
    ids=["replaced", "replaced_by_another_kind", "removed"],
)
def test_a_target_changed_after_the_hypernet_was_built(change: Callable[[nn.Module], None], name: str) -> None:
    model = hd.HyperDNN.for_tasks(net(), 3, hidden=8)
    change(model.target.module)
    words = f"changed after the Target took it over: '{name}' is no longer where .* Change the module first"
    for context, shape in ((torch.tensor(1), (5, 3)), (torch.arange(3), (3, 5, 3))):
        with pytest.raises(LayoutError, match=words):
            model(torch.randn(*shape), context=context)
    with pytest.raises(LayoutError, match=words):
        model.bake(torch.tensor(1))


def test_a_hypernet_built_for_another_target() -> None:
    other = hd.HyperDNN.for_tasks(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)), 3)
    words = r"the hypernet was built for another target: in its layout '0\.weight' is \(5, 3\), the other's is \(4, 3\)"
    with pytest.raises(LayoutError, match=words):
        hd.HyperDNN(hd.Target(net()), other.hypernet)


def test_a_hypernet_that_declares_no_layout() -> None:
    with pytest.raises(ConfigError, match="Linear declares no layout: a hypernet must say what it generates"):
        hd.HyperDNN(hd.Target(net()), nn.Linear(3, 26))


def test_running_statistics_without_a_policy() -> None:
    with pytest.raises(BufferPolicyError, match=r"target has BatchNorm1d with running statistics \('1'\)") as caught:
        hd.Target(with_norm())
    assert all(f'"{policy}"' in str(caught.value) for policy in ("frozen", "batch", "shared", "per_context"))


@pytest.mark.parametrize("make", [with_norm, net])
def test_an_unknown_policy(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(BufferPolicyError, match=r"buffers='frosen' is unknown\. Did you mean 'frozen'\?"):
        hd.Target(make(), buffers="frosen")


def test_a_layer_that_cannot_pool() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.InstanceNorm1d(4, track_running_stats=True))
    with pytest.raises(BufferPolicyError, match=r"'1' \(InstanceNorm1d\) cannot pool its statistics over contexts"):
        hd.Target(module, buffers="shared")


def test_per_context_statistics_in_a_verb_that_does_not_pass_them() -> None:
    model = hd.HyperDNN.for_tasks(with_norm(), 3, buffers="per_context")
    words = r'buffers="per_context": call with_buffers\(weights, x, buffers, ids\)'
    with pytest.raises(BufferPolicyError, match=words):
        model(torch.randn(5, 3), context=torch.tensor(1))
    with pytest.raises(BufferPolicyError, match=words):
        model.paired(torch.randn(3, 3), context=torch.arange(3))


def test_per_context_statistics_under_another_policy() -> None:
    target = hd.Target(with_norm(), buffers="frozen")
    weights = {spec.name: torch.randn(spec.shape) for spec in target.layout}
    with pytest.raises(BufferPolicyError, match=r"with_buffers belongs to .*per_context.*frozen"):
        target.with_buffers(weights, torch.randn(5, 3), {}, torch.tensor(0))


def test_batch_statistics_of_a_single_value() -> None:
    model = hd.HyperDNN.for_tasks(with_norm(), 3, buffers="batch")
    words = 'one value for each channel by itself. Use batched with larger batches, or buffers="frozen"'
    with pytest.raises(BufferPolicyError, match=words):
        model.paired(torch.randn(3, 3), context=torch.arange(3))
    with pytest.raises(BufferPolicyError, match=words):
        model(torch.randn(1, 3), context=torch.tensor(0))


class Packs(nn.Module):
    """Uses an operator that has no batching rule."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x)
        return torch._weight_norm(y, y[:, :1])


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x)
        return y if y.sum() > 0 else -y


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Packs, r"aten::_weight_norm\w* has no batching rule\. Use mode=\"loop\""),
        (Branches, r"decides on the value of a tensor, which differs between contexts\. Use mode=\"loop\""),
    ],
)
def test_what_cannot_be_mapped_runs_in_a_loop(make: type[nn.Module], words: str) -> None:
    model, x, context = hd.HyperDNN.for_tasks(make(), 3, hidden=8), torch.randn(3, 5, 3), torch.arange(3)
    with pytest.raises(BatchingError, match=words):
        model(x, context=context)
    expected = torch.stack([model(x[i], context=context[i]) for i in range(3)])
    torch.testing.assert_close(model(x, context=context, mode="loop"), expected)


@pytest.mark.parametrize("rank", [0, 3, -1])
def test_a_rank_above_the_matrix(rank: int) -> None:
    words = rf"LowRank\({rank}\): '2\.weight' is a 2 x 4 matrix, expected a rank from 1 to 2"
    with pytest.raises(ConfigError, match=words):
        hd.Target(net(), "2.*", combine=targets.LowRank(rank))


def test_a_refused_target_leaves_the_module_whole() -> None:
    module = net()
    names = list(module.state_dict())
    for wrong in ({"select": "3.*"}, {"combine": targets.LowRank(9)}, {"buffers": "frosen"}):
        with pytest.raises((LayoutError, ConfigError, BufferPolicyError)):
            hd.Target(module, **wrong)
    assert list(module.state_dict()) == names


def test_a_chunk_larger_than_the_target() -> None:
    with pytest.raises(LayoutError, match="chunk size 27: expected between 1 and the 26 generated weights"):
        heads.ChunkedHead(8, hd.Target(net()).layout, 27)
