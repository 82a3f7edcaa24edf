import copy
import math
import pickle

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn.errors import ConfigError, LayoutError

LAYOUT = hd.ParamLayout.of(nn.Sequential(nn.Linear(3, 4), nn.PReLU(), nn.Linear(4, 2)))
CONTEXTS = [(), (1,), (0,), (5,), (2, 3)]


def _weights(*contexts: int, dtype: torch.dtype = torch.float64) -> hd.Weights:
    return {s.name: torch.randn(*contexts, *s.shape, dtype=dtype, requires_grad=True) for s in LAYOUT}


def _arriving(contexts: tuple[int, ...], dtype: torch.dtype = torch.float64) -> hd.Weights:
    """Gradients of very different sizes, context by context."""
    sizes = 10 ** (4 * torch.rand(contexts, dtype=dtype) - 2)
    return {s.name: torch.randn(*contexts, *s.shape, dtype=dtype) * _wide(sizes, len(s.shape)) for s in LAYOUT}


def _wide(numbers: Tensor, dims: int) -> Tensor:
    return numbers.reshape(*numbers.shape, *[1] * dims)


def _passed(weights: hd.Weights, arriving: hd.Weights, max_norm: float) -> list[Tensor]:
    """The gradient behind the clip."""
    clipped = hd.clip_gradient(weights, LAYOUT, max_norm)
    return list(torch.autograd.grad(list(clipped.values()), list(weights.values()), list(arriving.values())))


def _by_hand(arriving: hd.Weights, dims: int, max_norm: float) -> list[Tensor]:
    """The formula, context after context."""
    flat = {n: g.double().reshape(-1, *LAYOUT[n].shape) for n, g in arriving.items()}
    rows = len(next(iter(flat.values())))
    for i in range(rows):
        norm = math.sqrt(sum(float(g[i].square().sum()) for g in flat.values()))
        for g in flat.values():
            g[i] *= min(1.0, max_norm / norm)
    return [flat[n].reshape(g.shape).to(g.dtype) for n, g in arriving.items()]


@pytest.mark.parametrize("contexts", CONTEXTS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_each_contexts_gradient_is_scaled_down_to_the_norm(contexts, dtype):
    arriving = _arriving(contexts, dtype)
    found = _passed(_weights(*contexts, dtype=dtype), arriving, 1.0)
    torch.testing.assert_close(found, _by_hand(arriving, len(contexts), 1.0))


@settings(max_examples=25, deadline=None)
@given(contexts=st.lists(st.integers(0, 3), max_size=2), max_norm=st.floats(1e-6, 1e6), seed=st.integers(0, 99))
def test_any_number_of_contexts_and_any_norm(contexts, max_norm, seed):
    torch.manual_seed(seed)
    arriving = _arriving(tuple(contexts))
    found = _passed(_weights(*contexts), arriving, max_norm)
    torch.testing.assert_close(found, _by_hand(arriving, len(contexts), max_norm))


@pytest.mark.parametrize("contexts", CONTEXTS, ids=str)
def test_the_weights_are_the_same(contexts):
    weights = _weights(*contexts)
    clipped = hd.clip_gradient(weights, LAYOUT, 1.0)
    assert list(clipped) == list(LAYOUT.names)
    assert all(torch.equal(clipped[name], weights[name]) for name in weights)


def test_a_context_that_explodes_does_not_silence_the_others():
    small = torch.full((2,), 1e-3, dtype=torch.float64)
    alone = _passed(_weights(1), {s.name: _wide(small[:1], len(s.shape)).expand(1, *s.shape) for s in LAYOUT}, 1.0)
    small[1] = 1e8
    beside = _passed(_weights(2), {s.name: _wide(small, len(s.shape)).expand(2, *s.shape) for s in LAYOUT}, 1.0)
    for lone, both in zip(alone, beside, strict=True):
        torch.testing.assert_close(both[:1], lone)


def test_gradients_whose_squares_overflow_are_clipped_too():
    found = _passed(_weights(2, dtype=torch.float32), {s.name: torch.full((2, *s.shape), 1e30) for s in LAYOUT}, 1.0)
    norms = sum(g.flatten(1).square().sum(1) for g in found).sqrt()
    torch.testing.assert_close(norms, torch.ones(2))


def test_what_is_not_finite_stays_so_in_its_own_context():
    arriving = {s.name: torch.ones(2, *s.shape) for s in LAYOUT}
    arriving["0.bias"][1, 2] = math.inf
    found = dict(zip(LAYOUT.names, _passed(_weights(2, dtype=torch.float32), arriving, 1.0), strict=True))
    assert not found["0.bias"][1].isfinite().all()
    assert all(gradient[0].isfinite().all() for gradient in found.values())


def test_below_the_norm_it_is_the_identity_in_both_derivatives():
    weights = _weights(2)

    def passed(*tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(hd.clip_gradient(dict(zip(LAYOUT.names, tensors, strict=True)), LAYOUT, 1e9).values())

    assert torch.autograd.gradcheck(passed, tuple(weights.values()))
    assert torch.autograd.gradgradcheck(passed, tuple(weights.values()))


@pytest.mark.parametrize("scale", [100.0, 1e-3, 0.0])
def test_the_scaled_gradient_has_the_derivative_of_the_formula(scale):
    """With respect to what arrives; a gradient of zeros has one too."""
    weights, arriving = _weights(3), {n: (scale * g).requires_grad_() for n, g in _arriving((3,)).items()}
    directions = [torch.randn_like(g) for g in arriving.values()]
    clipped = hd.clip_gradient(weights, LAYOUT, 1.0)
    total = sum((arriving[n] * clipped[n]).sum() for n in LAYOUT.names)
    first = torch.autograd.grad(total, list(weights.values()), create_graph=True)
    second = torch.autograd.grad(first, list(arriving.values()), directions)

    norms = sum(g.flatten(1).square().sum(1) for g in arriving.values()).clamp(min=1e-300).sqrt()
    factor = (1 / norms).clamp(max=1)
    formula = [g * _wide(factor, g.ndim - 1) for g in arriving.values()]
    torch.testing.assert_close(second, torch.autograd.grad(formula, list(arriving.values()), directions))


def test_every_order_of_vmap_and_grad_gives_the_same():
    weights = tuple(_weights(5).values())

    def loss(*tensors: Tensor) -> Tensor:
        clipped = hd.clip_gradient(dict(zip(LAYOUT.names, tensors, strict=True)), LAYOUT, 0.5)
        return sum((t**3).sum() for t in clipped.values())

    places = tuple(range(len(weights)))
    expected = torch.autograd.grad(loss(*weights), weights)
    torch.testing.assert_close(torch.func.grad(loss, argnums=places)(*weights), expected)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(loss, argnums=places))(*weights), expected)
    torch.testing.assert_close(torch.autograd.grad(torch.func.vmap(loss)(*weights).sum(), weights), expected)


def test_tensors_without_gradient_pass_and_do_not_count():
    weights = _weights(2)
    weights["0.weight"].requires_grad_(False)
    clipped = hd.clip_gradient(weights, LAYOUT, 1.0)
    assert not clipped["0.weight"].requires_grad
    rest = [name for name in LAYOUT.names if name != "0.weight"]
    sum(100 * clipped[name].sum() for name in LAYOUT.names).backward()
    norms = sum(weights[name].grad.flatten(1).square().sum(1) for name in rest).sqrt()
    torch.testing.assert_close(norms, torch.ones(2, dtype=torch.float64))


def test_under_no_grad_nothing_happens():
    weights = _weights(2)
    with torch.no_grad():
        plain = {name: tensor * 1 for name, tensor in weights.items()}
    clipped = hd.clip_gradient(plain, LAYOUT, 1.0)
    assert clipped is not plain
    assert all(clipped[name] is plain[name] for name in plain)


def test_an_empty_tensor_has_no_norm():
    layout = hd.ParamLayout.of(nn.ParameterDict({"none": torch.zeros(0, 3), "some": torch.zeros(4)}))
    weights = {s.name: torch.randn(2, *s.shape, requires_grad=True) for s in layout}
    (1e3 * hd.clip_gradient(weights, layout, 1.0)["some"]).sum().backward()
    torch.testing.assert_close(weights["some"].grad.norm(dim=1), torch.ones(2))


def test_roles_are_clipped_one_by_one_after_it():
    """Both sides: what enters the hypernet, and what its parts make of it."""
    model = hd.HyperDNN.for_tasks(nn.Linear(3, 2), 4, hidden=8)
    weights = hd.clip_gradient(model.generate(torch.arange(4)), model.target.layout, 1.0)
    (1e6 * model.call(weights, torch.randn(4, 5, 3)).square().sum()).backward()
    limits = {"encoder": 0.1, "body": 0.2, "head": 0.3}
    for group in model.parameter_groups():
        nn.utils.clip_grad_norm_(group["params"], limits[group["name"]])
    for group in model.parameter_groups():
        norm = torch.stack([p.grad.norm() for p in group["params"]]).norm()
        assert norm.item() <= limits[group["name"]] * (1 + 1e-5)


def test_a_model_can_be_copied_and_pickled_after_a_step():
    model = hd.HyperDNN.for_tasks(nn.Linear(3, 2), 4, hidden=8)
    hd.clip_gradient(model.generate(torch.arange(4)), model.target.layout, 1.0)["weight"].sum().backward()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(twin.generate(torch.tensor(1)), model.generate(torch.tensor(1)))


@pytest.mark.parametrize("max_norm", [0.0, -1.0, math.nan])
def test_a_norm_is_positive(max_norm):
    with pytest.raises(ConfigError, match=f"max_norm: expected more than 0, got {max_norm}"):
        hd.clip_gradient(_weights(), LAYOUT, max_norm)


def test_weights_of_another_layout_are_named(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    weights = _weights()
    del weights["2.bias"]
    with pytest.raises(LayoutError, match=r"'2\.bias' is missing"):
        hd.clip_gradient(weights, LAYOUT, 1.0)
