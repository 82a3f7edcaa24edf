import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, inspect, targets
from hyperdnn.errors import BufferPolicyError, ConfigError, ContextError
from hyperdnn.inspect import _outcome

START, END = torch.tensor([1.0, 0.0, -1.0]).double(), torch.tensor([0.0, 2.0, 1.0]).double()


def probe(name="p", *, samples=7, loss=F.mse_loss, measure="mean squared error"):
    inputs = torch.randn(samples, 3).double()
    return inspect.Probe(
        name=name,
        inputs=inputs,
        targets=None if loss is None else torch.randn(samples, 2).double(),
        loss=loss,
        measure=measure,
    )


def bent(start, end):
    """A model whose single weight is 0 at both contexts, and their distance in the middle."""

    class Bow(nn.Module):
        def __init__(self, layout):
            super().__init__()
            self.layout = layout
            self.unused = nn.Parameter(torch.zeros(()))

        def forward(self, context):
            share = (context - start) / (end - start)
            return {"weight": (4 * share * (1 - share))[..., None]}

    target = hd.Target(nn.Linear(1, 1, bias=False))
    return hd.HyperDNN(target, Bow(target.layout))


def test_every_step_is_the_network_of_the_context_there(linear_model):
    model, data = linear_model(), [probe("a"), probe("b", samples=1)]
    found = inspect.path(model, START, END, data, steps=5, names=("one", "two"))
    first = model.generate(START)
    for k, share in enumerate(found.places.tolist()):
        weights = model.generate(START + share * (END - START))
        mixed = {n: t + share * (model.generate(END)[n] - t) for n, t in first.items()}
        for row, one in enumerate(data):
            for losses, changes, own in (
                (found.losses, found.changes, weights),
                (found.mixed_losses, found.mixed_changes, mixed),
            ):
                y, y0 = model.target(own, one.inputs), model.target(first, one.inputs)
                torch.testing.assert_close(losses[row, k], F.mse_loss(y, one.targets), check_dtype=False)
                torch.testing.assert_close(changes[row, k], (y - y0).square().mean().sqrt())
    assert found.probes == ("a", "b")
    assert not found.losses.requires_grad


def test_a_linear_hypernet_goes_straight(linear_model):
    model = linear_model()
    found = inspect.path(model, START, END, steps=4)
    slope = model.hypernet.slope.detach() @ (END - START)
    assert found.distance == pytest.approx(float(slope.square().mean().sqrt()))
    assert found.detour == pytest.approx(1.0)
    torch.testing.assert_close(found.travelled, found.places * found.distance)
    assert found.losses.shape == (0, 4)
    assert "1.00 times the straight distance" in found.findings()[0]


def test_a_linear_hypernet_mixes_weights_as_it_mixes_contexts(linear_model):
    found = inspect.path(linear_model(), START, END, [probe()])
    torch.testing.assert_close(found.losses, found.mixed_losses)


def test_a_bow_has_a_barrier_that_mixed_weights_do_not_see():
    model = bent(torch.zeros(1), torch.ones(1))
    data = inspect.Probe(
        name="p", inputs=torch.ones(2, 1), targets=torch.zeros(2, 1), loss=F.l1_loss, measure="error (metres)"
    )
    found = inspect.path(model, torch.zeros(1), torch.ones(1), [data], steps=5)
    torch.testing.assert_close(found.losses[0], torch.tensor([0.0, 0.75, 1.0, 0.75, 0.0]).double())
    assert found.mixed_losses.abs().max() == 0
    assert found.barriers.tolist() == [1.0]
    assert found.mixed_barriers.tolist() == [0.0]
    assert found.detour == math.inf
    assert "barrier: the error is 1 at 50% of the way, 1 above the higher of its ends, 0 and 0" in found.findings()[1]
    assert "inf" in found.findings()[0]
    json.dumps(found.to_json(), allow_nan=False)


def test_there_is_no_barrier_on_a_slope():
    model = bent(torch.zeros(1), torch.full((1,), 2.0))
    data = inspect.Probe(name="p", inputs=torch.ones(2, 1), targets=torch.zeros(2, 1), loss=F.l1_loss)
    found = inspect.path(model, torch.zeros(1), torch.ones(1), [data], steps=3)  # concave: above its chord
    assert found.losses[0, 1] > found.losses[0, [0, -1]].mean()
    assert found.barriers.tolist() == [0.0]
    downhill = inspect.Probe(name="p", inputs=torch.ones(2, 1), targets=torch.ones(2, 1), loss=F.l1_loss)
    found = inspect.path(model, torch.zeros(1), torch.ones(1), [downhill], steps=3)
    assert found.barriers.tolist() == [0.0]
    assert found.findings()[1].startswith("No barrier on 'p'")


def test_contexts_that_are_ignored_have_nothing_between_them(linear_model):
    found = inspect.path(linear_model(idle=(0, 1, 2)), START, END, [probe()])
    assert found.findings() == ("'start' and 'end' give the same weights: there is nothing between them.",)
    assert found.detour == 1.0


def test_a_loss_that_is_not_finite_is_said(linear_model):
    data = probe(loss=lambda y, t: (y - y).sum() / 0, measure="ratio")
    found = inspect.path(linear_model(), START, END, [data], steps=3)
    assert "On 'p' the ratio is not finite at 0% of the way." in found.findings()
    assert found.to_json()["losses"] == [[None] * 3]
    str(found)


def test_a_probe_without_a_loss_has_changes_only(linear_model):
    found = inspect.path(linear_model(), START, END, [probe(loss=None)], steps=3)
    assert found.measures == ("",)
    assert bool(found.losses.isnan().all())
    assert found.changes[0, 0] == 0 < found.changes[0, 1]
    assert len(found.findings()) == 1


def test_shares_stay_shares():
    target = hd.Target(nn.Linear(3, 2))
    hypernet = hd.Hypernet(encoder=encoders.Simplex(3), body=bodies.MLP(3, 4), head=heads.FullHead(4, target.layout))
    start, end = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.3, 0.7])
    inspect.path(hd.HyperDNN(target, hypernet), start, end, steps=101)  # off the simplex the encoder refuses


def test_indices_go_through_their_embeddings():
    model = hd.HyperDNN.for_tasks(nn.Linear(3, 2), 4)
    found = inspect.path(model, torch.tensor(0), torch.tensor(3), steps=3)
    rows = [model.hypernet.encoder(torch.tensor(k)) for k in (0, 3)]
    middle = model.hypernet.from_features((rows[0] + rows[1]) / 2)
    first = model.generate(torch.tensor(0))
    away = torch.cat([(middle[n] - first[n]).flatten() for n in first]).square().mean().sqrt()
    assert float(found.travelled[1]) == pytest.approx(float(away.detach()), rel=1e-5)
    assert found.distance > 0


@settings(deadline=None, max_examples=15)
@given(steps=st.integers(2, 9), portion=st.integers(1, 4))
def test_portions_make_no_difference(steps, portion):
    torch.manual_seed(0)
    model = hd.HyperDNN.for_vectors(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), 2).double()
    data = [probe(), probe("q", samples=2)]
    ends = torch.zeros(2).double(), torch.ones(2).double()
    whole = inspect.path(model, *ends, data, steps=steps)
    with pytest.MonkeyPatch.context() as patch:
        each = model.target.layout.numel + _outcome._ACTIVATIONS * 21
        patch.setattr(_outcome, "_NUMBERS", portion * each)
        parts = inspect.path(model, *ends, data, steps=steps)
    for name in ("losses", "mixed_losses", "changes", "mixed_changes", "travelled"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name))


def test_nothing_is_changed(linear_model):
    model, data = linear_model().train(), probe()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    inspect.path(model, START, END, [data])
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    torch.testing.assert_close(before, dict(model.state_dict()))


def test_a_loop_gives_the_same(linear_model):
    data = [probe()]
    one, other = (inspect.path(linear_model(), START, END, data, steps=3, mode=mode) for mode in ("vmap", "loop"))
    torch.testing.assert_close(one.losses, other.losses)


def test_what_does_not_fit_is_refused(linear_model):
    model = linear_model()
    with pytest.raises(ConfigError, match="2 steps or more"):
        inspect.path(model, START, END, steps=1)
    with pytest.raises(ContextError, match=r"two single contexts of one width, got coordinates \(1, 3\)"):
        inspect.path(model, START[None], END)
    with pytest.raises(ContextError, match="index one"):
        inspect.path(model, torch.stack([START, END]), torch.stack([START, END]))


def test_running_statistics_of_contexts_are_no_part_of_the_model():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    model = hd.HyperDNN.for_vectors(net, 2, buffers="per_context")
    data = inspect.Probe(name="p", inputs=torch.randn(5, 3))
    with pytest.raises(BufferPolicyError, match="Leave probes out"):
        inspect.path(model, torch.zeros(2), torch.ones(2), [data])
    assert inspect.path(model, torch.zeros(2), torch.ones(2)).distance > 0


def test_a_loss_of_several_numbers_is_refused(linear_model):
    data = probe(loss=lambda y, t: (y - t).square())
    with pytest.raises(ConfigError, match=r"'p': expected a loss of one number, got \(7, 2\). Take its mean"):
        inspect.path(linear_model(), START, END, [data])


def test_a_distribution_goes_along_its_means():
    model = hd.HyperDNN.for_vectors(nn.Linear(3, 2), 2, combine=targets.Gaussian())
    data = inspect.Probe(name="p", inputs=torch.randn(4, 3), targets=torch.zeros(4, 2), loss=F.mse_loss)
    found = inspect.path(model, torch.zeros(2), torch.ones(2), [data], steps=3)
    first, last = (model.generate(context) for context in (torch.zeros(2), torch.ones(2)))
    apart = torch.cat([(last[n] - first[n]).flatten() for n in ("weight.mean", "bias.mean")]).detach()
    assert found.distance == pytest.approx(float(apart.square().mean().sqrt()))
    means = {n.removesuffix(".mean"): t for n, t in last.items() if n.endswith(".mean")}
    expected = F.linear(data.inputs, means["weight"], means["bias"]).square().mean().detach()
    torch.testing.assert_close(found.losses[0, -1], expected, check_dtype=False)
