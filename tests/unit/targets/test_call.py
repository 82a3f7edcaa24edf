from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn.errors import BatchingError
from hyperdnn.targets._call import attention_without_fast_path


class Module(nn.Module):
    """A linear map, then whatever a test wants."""

    def __init__(self, then: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.then = then

    def forward(self, x: Tensor) -> object:
        return self.then(self.linear(x))


class Counting(nn.Module):
    """A linear map that keeps a running mean of what it puts out."""

    mean: Tensor

    def __init__(self, update: Callable[["Counting", Tensor], None]) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.register_buffer("mean", torch.zeros(4))
        self.update = update

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x)
        self.update(self, y.detach().mean(0))
        return y


def run(then: Callable[[Tensor], object], **options: object) -> object:
    target = hd.Target(Module(then))
    torch.manual_seed(0)
    weights = {spec.name: torch.randn(2, *spec.shape) for spec in target.layout}
    return target.batched(weights, torch.randn(2, 5, 3), **options)


@pytest.mark.parametrize("mode", ["vmap", "loop"])
def test_whatever_the_module_returns_comes_back_stacked(mode: str) -> None:
    out = run(lambda y: {"y": [y, y.sum()], "name": "n", "size": 3}, mode=mode)
    assert out["y"][0].shape == (2, 5, 4)
    assert out["y"][1].shape == (2,)
    assert (out["name"], out["size"]) == ("n", 3)


@pytest.mark.parametrize("mode", ["vmap", "loop"])
def test_none_among_the_outputs_stays_none(mode: str) -> None:
    first, second, third = run(lambda y: (None, y, None), mode=mode)
    assert first is third is None
    assert second.shape == (2, 5, 4)


@pytest.mark.parametrize("mode", ["vmap", "loop"])
@pytest.mark.parametrize(("randomness", "same"), [("same", True), ("different", False)])
def test_randomness_says_whether_contexts_share_their_dropout(mode: str, randomness: str, same: bool) -> None:
    mask = run(lambda y: nn.functional.dropout(torch.ones(500), 0.5) + 0 * y.sum(), randomness=randomness, mode=mode)
    assert torch.equal(mask[0], mask[1]) is same


def test_randomness_may_be_forbidden() -> None:
    with pytest.raises(RuntimeError, match="random"):
        run(lambda y: nn.functional.dropout(y, 0.5), randomness="error")


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (lambda y: torch._weight_norm(y, y[:, :1]), r"aten::_weight_norm.* has no batching rule"),
        (lambda y: y if y.sum() > 0 else -y, "decides on the value of a tensor"),
        (lambda y: y * y.sum().item(), "decides on the value of a tensor"),
        (lambda y: y[y > 0].sum(), "mode=.loop."),
        (lambda y: torch.nonzero(y).sum(), "mode=.loop."),
        (lambda y: y * y.detach().numpy().sum(), "mode=.loop."),
        (lambda y: torch.zeros(5, 4).copy_(y), "into a tensor that they share"),
        (lambda y: torch.zeros(5, 4).add_(y), "into a tensor that they share"),
        (lambda y: torch.zeros(5, 4).index_add_(0, torch.arange(5), y), "into a tensor that they share"),
    ],
    ids=["operator", "if", "item", "mask", "nonzero", "numpy", "copy", "add", "index_add"],
)
def test_what_cannot_be_mapped_is_named_with_the_remedy(then: Callable[[Tensor], object], words: str) -> None:
    with pytest.raises(BatchingError, match=words) as caught:
        run(then)
    assert 'mode="loop"' in str(caught.value)
    assert caught.value.__cause__ is not None
    run(then, mode="loop")


@pytest.mark.parametrize(
    "update",
    [
        lambda m, mean: m.mean.add_(mean),
        lambda m, mean: m.mean.copy_(mean),
        lambda m, mean: setattr(m, "mean", m.mean + mean),
    ],
    ids=["add", "copy", "assign"],
)
def test_a_buffer_that_the_module_updates_is_refused_and_not_left_half_mapped(
    update: Callable[[Counting, Tensor], None],
) -> None:
    target = hd.Target(Counting(update))
    weights, x = {spec.name: torch.randn(2, *spec.shape) for spec in target.layout}, torch.randn(2, 5, 3)
    with pytest.raises(BatchingError, match='mode="loop"'):
        target.batched(weights, x)
    assert torch.equal(target.module.mean, torch.zeros(4))
    target.batched(weights, x, mode="loop")
    assert target.module.mean.abs().max() > 0


def test_an_error_of_the_module_itself_stays_its_own() -> None:
    def fail(y: Tensor) -> Tensor:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match=r"^mine$"):
        run(fail)


@pytest.mark.parametrize("mode", ["vmap", "loop"])
def test_attention_without_its_weights(mode: str) -> None:
    target = hd.Target(nn.MultiheadAttention(4, 2, batch_first=True))
    weights, x = {spec.name: torch.randn(2, *spec.shape) for spec in target.layout}, torch.randn(2, 5, 6, 4)
    y, none = target.batched(weights, x, x, x, need_weights=False, mode=mode)
    assert y.shape == x.shape
    assert none is None


@pytest.mark.parametrize("enabled", [False, True])
def test_the_fast_path_comes_back_as_it_was(enabled: bool) -> None:
    def fail() -> None:
        with attention_without_fast_path(needed=True):
            assert not torch.backends.mha.get_fastpath_enabled()
            raise KeyError

    before = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(enabled)
        with pytest.raises(KeyError):
            fail()
        assert torch.backends.mha.get_fastpath_enabled() is enabled
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@pytest.mark.parametrize("mode", ["vmap", "loop"])
def test_no_context_gives_an_empty_output_with_zero_gradients(mode: str) -> None:
    target = hd.Target(Module(lambda y: (y, y.argmax(-1))))
    weights = {spec.name: torch.randn(0, *spec.shape, requires_grad=True) for spec in target.layout}
    y, index = target.batched(weights, torch.randn(0, 5, 3), mode=mode)
    assert (y.shape, index.shape, index.dtype) == ((0, 5, 4), (0, 5), torch.int64)
    y.sum().backward()
    assert weights["linear.weight"].grad.shape == (0, 4, 3)


class _Layer:
    def __init__(self, keys: Tensor) -> None:
        self.keys = keys


class _Cache:
    """As transformers' caches: tensors lie two levels below the object that is returned."""

    def __init__(self, keys: Tensor) -> None:
        self.layers = [_Layer(keys)]
        self.itself = self


class _Caching(nn.Linear):
    def forward(self, input: Tensor) -> tuple[Tensor, _Cache]:
        out = super().forward(input)
        return out, _Cache(out)


@pytest.mark.parametrize("mode", ["vmap", "loop"])
def test_an_object_that_hides_tensors_deep_inside_is_refused(mode: str) -> None:
    target = hd.Target(_Caching(3, 2))
    weights = {"weight": torch.randn(4, 2, 3), "bias": torch.randn(4, 2)}
    with pytest.raises(BatchingError, match=r"a _Cache was returned.*use_cache=False"):
        target.batched(weights, torch.randn(4, 5, 3), mode=mode)
