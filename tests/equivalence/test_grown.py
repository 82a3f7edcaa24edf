"""A model that has grown, together with what else can be done to a model: each must agree with the plain model."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, models, targets
from hyperdnn.errors import LayoutError
from hyperdnn.optim import RankAdam


def make(module: nn.Module | None = None, *, stream: bool = False, **options: object) -> hd.HyperDNN:
    target = hd.Target(module or nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), **options)
    head = heads.FullHead(6, target.layout)
    nn.init.normal_(head.linear.weight, std=0.3)  # changes start at zero, where little can be seen
    hypernet = hd.Hypernet(encoder=encoders.Vector(3), body=bodies.MLP(3, 6), head=head, stream=stream)
    return hd.HyperDNN(target, hypernet)


def step(model: hd.HyperDNN, optimizer: torch.optim.Optimizer, context: Tensor) -> Tensor:
    def loss() -> Tensor:
        optimizer.zero_grad()
        value = sum(tensor.sin().sum() for tensor in model.generate(context).values())
        value.backward()
        return value

    return optimizer.step(loss)


def test_a_cached_model_forgets_what_was_smaller() -> None:
    model = make()
    cached = hd.Cached(model)
    x, context = torch.randn(2, 7, 4), torch.randn(2, 3)
    for rows in (3, 5, 8):
        if rows > 3:
            model.resize("2", rows)
        with torch.no_grad():
            expected = model(x, context=context)
            assert expected.shape == (2, 7, rows)
            torch.testing.assert_close(cached(x, context=context), expected)


def test_streamed_weights_follow() -> None:
    model, x, context = make(stream=True), torch.randn(7, 4), torch.randn(3)
    before = model(x, context=context)
    model.resize("2", 8)
    after = model(x, context=context)
    torch.testing.assert_close(after[:, :3], before)
    after.sum().backward()
    assert model.hypernet.head.linear.weight.grad.shape == (4 * 5 + 5 + 5 * 8 + 8, 6)


def test_a_module_that_is_one_layer_grows_with_its_base() -> None:
    model, x, context = make(nn.Linear(4, 3), combine=targets.Residual()), torch.randn(7, 4), torch.randn(3)
    before = model(x, context=context)
    model.resize("", 8)
    torch.testing.assert_close(model(x, context=context)[:, :3], before)
    torch.testing.assert_close(model.bake(context)(x), model(x, context=context))


def test_factors_are_still_what_rank_adam_gets() -> None:
    model, context = make(), torch.randn(2, 3)
    twin = copy.deepcopy(model)
    pairs = [(model, RankAdam(model, lr=0.01)), (twin, torch.optim.Adam(twin.parameters(), lr=0.01))]
    for one, optimizer in pairs:
        step(one, optimizer, context)
        torch.manual_seed(0)
        one.resize("2", 8, optimizer=optimizer)
        step(one, optimizer, context)
    assert type(model.hypernet.head.linear.weight.grad).__name__ == "FactoredGradient"
    torch.testing.assert_close(model.state_dict(), twin.state_dict())
    pairs[0][1].release()
    model.generate(context)["2.weight"].sum().backward()
    assert type(model.hypernet.head.linear.weight.grad) is Tensor


def test_an_optimiser_that_holds_the_list_of_parameters_itself_follows() -> None:
    model, context = make(), torch.randn(2, 3)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1)
    model.resize("2", 8, optimizer=optimizer)
    before = model.hypernet.head.linear.weight.clone()
    step(model, optimizer, context)
    assert not torch.equal(model.hypernet.head.linear.weight, before)


def test_slots_grow_in_several_places_at_once() -> None:
    """Two heads for one layer: new slots lie behind the old ones of each, and old ones keep their embeddings."""
    target = hd.Target(nn.Sequential(nn.Linear(4, 5)), combine=targets.Gaussian())
    layouts = [target.layout.select(f"*.{part}") for part in ("mean", "log_scale")]
    head = heads.Join(target.layout, [heads.ComponentHead(6, layout, component="row") for layout in layouts])
    for part in head.heads:
        nn.init.ones_(part.affine.gain)
    slots = encoders.Slots(head.slots, 2)
    hypernet = hd.Hypernet(encoder=encoders.Vector(3), slots=slots, body=bodies.MLP(5, 6), head=head)
    model, context = hd.HyperDNN(target, hypernet), torch.randn(2, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    step(model, optimizer, context)
    before = model.generate(context)
    kept = optimizer.state[slots.embeddings]["exp_avg"]
    model.resize("0", 8, optimizer=optimizer)
    after = model.generate(context)
    for name, old in before.items():
        assert after[name].shape[1] == 8
        torch.testing.assert_close(after[name][:, :5], old)
    state = optimizer.state[slots.embeddings]["exp_avg"]
    fresh = [5, 6, 7, 14, 15, 16]  # behind the five rows of each head's weight; its bias is one slot
    assert torch.equal(state[[row for row in range(18) if row not in fresh]], kept)
    assert not state[fresh].any()


def conditioned(layer: nn.Linear) -> nn.Module:
    target = hd.Target(layer, "weight")
    body, head = bodies.MLP(layer.in_features, 6), heads.FullHead(6, target.layout)
    hypernet = hd.Hypernet(encoder=encoders.Vector(layer.in_features), body=body, head=head)
    return models.Conditioned(hd.HyperDNN(target, hypernet))


def test_a_layer_beside_a_conditioned_one_grows() -> None:
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    targets.attach_conditioned(module, "0", conditioned)
    model, x, context = make(module), torch.randn(2, 7, 4), torch.randn(2, 3)
    before = model(x, context=context)
    model.resize("2", 8)
    torch.testing.assert_close(model(x, context=context)[..., :3], before)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("0.model.target.module", "Target"),
        ("0.model.hypernet.head.linear", "Hypernet"),
        ("0.model.hypernet.body.layers.0", "Hypernet"),
    ],
)
def test_no_layer_inside_a_model_grows_alone(name: str, kind: str) -> None:
    module = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3))
    targets.attach_conditioned(module, "0", conditioned)
    model = make(module)
    layout = model.target.layout
    with pytest.raises(LayoutError, match=f"'{name}' belongs to a {kind}, in which target and hypernet fit.*larger"):
        model.resize(name, 40)
    assert model.target.layout is layout


@pytest.mark.parametrize("generate", [make, lambda: make(nn.Linear(4, 3))], ids=["network", "layer"])
def test_a_hypernet_that_is_a_target_does_not_grow(generate: Callable[[], hd.HyperDNN]) -> None:
    target = hd.Target(generate().hypernet)
    with pytest.raises(LayoutError, match=r"'head\.linear' belongs to a Hypernet"):
        target.resize("head.linear", 100)
