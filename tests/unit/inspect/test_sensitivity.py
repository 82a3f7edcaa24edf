import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, inspect, targets
from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.inspect import _outcome


def probe(name="p", samples=7):
    return inspect.Probe(name=name, inputs=torch.randn(samples, 3).double())


def test_the_derivative_of_a_linear_hypernet_is_its_slope(linear_model):
    model = linear_model()
    context = torch.randn(6, 3).double()
    found = inspect.sensitivity(model, context)
    slope = model.target.layout.split(model.hypernet.slope.detach().mT)  # coordinates in front
    weights = model.generate(context)
    for t, name in enumerate(found.tensors):
        torch.testing.assert_close(found.tensor_weights[:, t], slope[name].flatten(1).square().mean(1).sqrt())
        torch.testing.assert_close(found.tensor_sizes[t], weights[name].square().mean().sqrt().detach())
    for k, layer in enumerate(found.layers):
        own = torch.cat([slope[f"{layer}.weight"].flatten(1), slope[f"{layer}.bias"]], 1)
        torch.testing.assert_close(found.weights[:, k], own.square().mean(1).sqrt())
    torch.testing.assert_close(found.spread, context.std(0, correction=0))
    assert found.layers == ("0", "2", "3")
    assert found.coordinates == ("1", "2", "3")
    assert found.own


def test_outputs_change_as_finite_differences_say():
    model = hd.HyperDNN.for_vectors(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), 3).double()
    context, data, h = torch.randn(4, 3).double(), [probe("a"), probe("b", 1)], 1e-6
    found = inspect.sensitivity(model, context, data)

    def run(context, inputs):
        with torch.no_grad():
            return torch.stack([model(inputs, context=one) for one in context])

    for row in range(3):
        step = h * torch.eye(3)[row].double()
        for k, one in enumerate(data):
            change = (run(context + step, one.inputs) - run(context - step, one.inputs)) / (2 * h)
            torch.testing.assert_close(found.outputs[row, k], change.square().mean().sqrt(), rtol=1e-6, atol=1e-9)
        later, earlier = (model.generate(context + sign * step) for sign in (1, -1))
        for k, name in enumerate(found.tensors):
            change = ((later[name] - earlier[name]) / (2 * h)).detach().square().mean().sqrt()
            torch.testing.assert_close(found.tensor_weights[row, k], change, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found.output_sizes[0], run(context, data[0].inputs).square().mean().sqrt())


def test_a_coordinate_that_does_nothing_is_found(linear_model):
    found = inspect.sensitivity(linear_model(idle=(1,)), torch.randn(5, 3).double(), [probe()], names=("x", "y", "z"))
    assert found.idle_coordinates() == ("y",)
    assert not bool(found.weights[1].any() or found.outputs[1].any())
    assert "1 of 3 coordinates of the context does nothing: 'y'." in found.findings()
    assert found.idle_layers() == ()


def test_layers_that_ignore_the_context_are_found(linear_model):
    found = inspect.sensitivity(linear_model(only="2"), torch.randn(5, 3).double())
    assert found.idle_layers() == ("0", "3")
    assert found.idle_coordinates() == ()
    assert "2 of 3 layers ignore the context: '0' and '3'." in found.findings()
    assert "layer '2'" in found.findings()[-1]


def test_a_context_that_is_ignored_is_said_once(linear_model):
    found = inspect.sensitivity(linear_model(idle=(0, 1, 2)), torch.randn(5, 3).double(), [probe()])
    assert found.findings() == ("None of the 3 coordinates of the context changes any weight: the context is ignored.",)
    assert found.idle_coordinates() == ("1", "2", "3")


def test_a_coordinate_in_which_contexts_do_not_differ_is_not_idle(linear_model):
    context = torch.randn(5, 3).double()
    context[:, 2] = 0.5
    found = inspect.sensitivity(linear_model(idle=(0,)), context)
    assert found.idle_coordinates() == ("1",)
    assert found.relative_weights[2].max() == 0


def test_units_do_not_matter_where_contexts_differ(linear_model):
    model = linear_model()
    with torch.no_grad():
        model.hypernet.slope[:, 1] *= 1e-9  # nanometres
    context = torch.randn(5, 3).double()
    context[:, 1] *= 1e9
    assert inspect.sensitivity(model, context).idle_coordinates() == ()


def test_outputs_that_do_not_follow_the_weights():
    class Blind(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3))

        def forward(self, x):
            return x + 0 * self.weight.sum()

    found = inspect.sensitivity(
        hd.HyperDNN.for_vectors(Blind(), 2), torch.randn(4, 2), [inspect.Probe(name="p", inputs=torch.randn(5, 3))]
    )
    assert "The outputs on 'p' do not change at all, though weights do." in found.findings()


def test_one_context_has_no_spread(linear_model):
    model, context = linear_model(), torch.randn(3).double()
    one, batch = (inspect.sensitivity(model, c, [probe()]) for c in (context, context[None]))
    assert not bool(one.spread.any())
    assert one.contexts == 1
    torch.testing.assert_close(one.weights, batch.weights)
    assert "one unit of it" in one.findings()[0]
    torch.testing.assert_close(one.relative_weights, one.weights / one.sizes)


def test_shares_grow_while_others_give_way():
    target = hd.Target(nn.Linear(3, 2))
    head = heads.FullHead(4, target.layout)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=encoders.Simplex(3), body=bodies.MLP(3, 4), head=head)).double()
    context = model.hypernet.encoder.sample(4).double()
    found = inspect.sensitivity(model, context)
    h, free = 1e-6, hd.Hypernet(encoder=encoders.Vector(3), body=model.hypernet.body, head=head)
    for k in range(3):
        step = h * torch.full((3,), -0.5).double().scatter(0, torch.tensor(k), 1.0)
        later, earlier = free(context + step), free(context - step)
        change = ((later["weight"] - earlier["weight"]) / (2 * h)).detach().square().mean().sqrt()
        torch.testing.assert_close(found.tensor_weights[k, 0], change, rtol=1e-5, atol=1e-8)


def test_of_two_shares_neither_is_stronger():
    target = hd.Target(nn.Linear(3, 2))
    head = heads.FullHead(32, target.layout)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=encoders.Simplex(2), body=bodies.MLP(2, 32), head=head))
    data = [inspect.Probe(name="p", inputs=torch.randn(5, 3))]
    found = inspect.sensitivity(model, model.hypernet.encoder.sample(4), data, names=("left", "right"))
    weights, outputs = found.findings()
    assert weights.startswith("Coordinates 'left' and 'right' move weights most: one standard deviation of each ")
    assert outputs.startswith("Outputs follow coordinates 'left' and 'right' most: one standard deviation of each ")


def test_indices_have_the_coordinates_of_their_embeddings():
    model = hd.HyperDNN.for_tasks(nn.Linear(3, 2), 4, features=5)
    found = inspect.sensitivity(model, torch.arange(4))
    assert not found.own
    assert found.weights.shape == (5, 1)
    rows = torch.stack([row.detach() for row in model.hypernet.encoder.rows])
    torch.testing.assert_close(found.spread, rows.double().std(0, correction=0))


def test_a_change_of_zeros_counts_as_it_is():
    net = nn.Linear(3, 2)
    model = hd.HyperDNN(t := hd.Target(net, combine=targets.Residual()), _zero(t.layout))
    found = inspect.sensitivity(model, torch.zeros(2, 2))
    assert not bool(found.sizes.any())
    torch.testing.assert_close(found.relative_weights, torch.ones(2, 1).double())
    json.dumps(found.to_json(), allow_nan=False)


def _zero(layout):
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.layout = layout
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, context):
            row = self.scale * context.sum(-1, keepdim=True)
            return self.layout.split(row.expand(*row.shape[:-1], self.layout.numel))

    return Sum()


@settings(deadline=None, max_examples=15)
@given(contexts=st.integers(1, 4), features=st.integers(1, 4), portion=st.integers(1, 5))
def test_portions_make_no_difference(contexts, features, portion):
    torch.manual_seed(0)
    model = hd.HyperDNN.for_vectors(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), features).double()
    context, data = torch.randn(contexts, features).double(), [probe()]
    whole = inspect.sensitivity(model, context, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_outcome, "_NUMBERS", portion * (model.target.layout.numel + _outcome._ACTIVATIONS * 21))
        parts = inspect.sensitivity(model, context, data)
    for name in ("weights", "sizes", "tensor_weights", "tensor_sizes", "outputs", "output_sizes"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name))


def test_many_coordinates_are_printed_by_their_strength(linear_model):
    text = str(inspect.sensitivity(linear_model(25, idle=(3,)), torch.randn(4, 25).double(), [probe("data")]))
    rows = text.splitlines()
    assert rows[0].split() == ["coordinate", "spread", "weights", "data"]
    assert "and 5 weaker ones" in text
    assert not any(row.startswith("4 ") for row in rows)


def test_what_does_not_fit_is_refused(linear_model):
    model = linear_model()
    with pytest.raises(ContextError, match=r"nothing to look at: the coordinates are \(0, 3\)"):
        inspect.sensitivity(model, torch.zeros(0, 3).double())
    with pytest.raises(ConfigError, match="one name for each of 3 coordinates, got 2"):
        inspect.sensitivity(model, torch.zeros(1, 3).double(), names=("a", "b"))
