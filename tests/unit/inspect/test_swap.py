import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import inspect, targets
from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.inspect import _outcome

A, B = torch.tensor([1.0, 0.0, -1.0]).double(), torch.tensor([0.0, 2.0, 1.0]).double()


def probe(name="p", samples=7, *, dtype=torch.float64):
    targets_ = torch.randn(samples, 2).to(dtype)
    return inspect.Probe(
        name=name, inputs=torch.randn(samples, 3).to(dtype), targets=targets_, loss=F.mse_loss, measure="error"
    )


def test_every_network_is_that_of_a_hand_made_loop(linear_model):
    model, data = linear_model(), [probe("a"), probe("b", 1)]
    found = inspect.swap(model, A, B, data, names=("one", "two"))
    a, b = model.generate(A), model.generate(B)
    for row, one in enumerate(data):

        def run(weights, one=one):
            return model.target(weights, one.inputs).detach()

        def apart(x, y):
            return (x - y).square().mean().sqrt()

        ends = run(a), run(b)
        whole = apart(*ends)
        torch.testing.assert_close(found.difference[row], whole)
        torch.testing.assert_close(found.sizes[row], ends[0].square().mean().sqrt())
        for k, layer in enumerate(found.layers):
            taken = run({n: (b if n.startswith(layer) else a)[n] for n in a})
            lost = run({n: (a if n.startswith(layer) else b)[n] for n in a})
            torch.testing.assert_close(found.taken[row, k], apart(taken, ends[0]) / whole)
            torch.testing.assert_close(found.left[row, k], apart(taken, ends[1]) / whole)
            torch.testing.assert_close(found.lost[row, k], apart(lost, ends[1]) / whole)
            torch.testing.assert_close(found.taken_losses[row, k], F.mse_loss(taken, one.targets))
            torch.testing.assert_close(found.lost_losses[row, k], F.mse_loss(lost, one.targets))
        losses = torch.stack([F.mse_loss(end, one.targets) for end in ends])
        torch.testing.assert_close(found.losses[row], losses)
    assert found.layers == ("0", "2", "3")


def test_of_several_tasks_outputs_only_the_probes_own_count(linear_model):
    model, both = linear_model(), probe()
    one = replace(both, targets=both.targets[:, 1], answer=lambda outputs: outputs[..., 1])
    found = inspect.swap(model, A, B, [one])
    ends = [model(one.inputs, context=context).detach()[:, 1] for context in (A, B)]
    torch.testing.assert_close(found.difference[0], (ends[0] - ends[1]).square().mean().sqrt())
    torch.testing.assert_close(found.losses[0], torch.stack([F.mse_loss(end, one.targets) for end in ends]))


@pytest.mark.parametrize("layer", ["0", "2", "3"])
def test_the_one_layer_that_adapts_carries_everything(linear_model, layer):
    found = inspect.swap(linear_model(only=layer), A, B, [probe()])
    assert found.sufficient_layers() == (layer,)
    assert set(found.idle_layers()) == {"0", "2", "3"} - {layer}
    others = [k for k, name in enumerate(found.layers) if name != layer]
    assert not bool(found.taken[:, others].any() or found.weights[others].any())
    assert found.findings()[0] == f"Layer '{layer}' alone carries the whole difference between 'first' and 'second'."
    assert "have the same weights for both" in found.findings()[1]
    json.dumps(found.to_json(), allow_nan=False)


def test_an_ignored_context_leaves_nothing_to_carry(linear_model):
    found = inspect.swap(linear_model(idle=(0, 1, 2)), A, B, [probe()])
    assert not found.differ
    assert found.findings() == ("'first' and 'second' give the same outputs: no layer has a difference to carry.",)
    assert not bool(found.taken.any())
    str(found)


def test_weights_that_outputs_do_not_see():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x):
            return self.used(x) + 0 * self.unused(x)

    found = inspect.swap(
        hd.HyperDNN.for_vectors(Half(), 2), torch.zeros(2), torch.ones(2), [probe(dtype=torch.float32)]
    )
    assert found.sufficient_layers() == ("used",)
    assert found.idle_layers() == ("unused",)
    assert "Layer 'unused' differs in its weights, but carries less than 1% of the difference." in found.findings()


def test_factors_of_lora_go_together():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    targets.attach_lora(net, "*", rank=1)
    model = hd.HyperDNN.for_tasks(net, 2, select="*lora_*")
    with torch.no_grad():
        for row in model.hypernet.parameters():
            row.add_(0.3 * torch.randn_like(row))
    found = inspect.swap(model, torch.tensor(0), torch.tensor(1), [probe(dtype=torch.float32)])
    assert found.layers == ("0", "1")
    assert found.differ


@settings(deadline=None, max_examples=15)
@given(samples=st.integers(1, 5), portion=st.integers(1, 5))
def test_portions_make_no_difference(samples, portion):
    torch.manual_seed(0)
    model = hd.HyperDNN.for_tasks(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), 2)
    data, ends = [probe(samples=samples, dtype=torch.float32)], (torch.tensor(0), torch.tensor(1))
    whole = inspect.swap(model, *ends, data)
    with pytest.MonkeyPatch.context() as patch:
        each = model.target.layout.numel + _outcome._ACTIVATIONS * 3 * samples
        patch.setattr(_outcome, "_NUMBERS", portion * each)
        parts = inspect.swap(model, *ends, data)
    for name in ("taken", "left", "lost", "taken_losses", "lost_losses"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name), rtol=1e-4, atol=1e-5)


def test_a_loop_gives_the_same(linear_model):
    data = [probe()]
    one, other = (inspect.swap(linear_model(), A, B, data, mode=mode) for mode in ("vmap", "loop"))
    torch.testing.assert_close(one.taken, other.taken)
    assert "No single layer" in one.findings()[0]


def test_what_does_not_fit_is_refused(linear_model):
    with pytest.raises(ConfigError, match="one probe or more"):
        inspect.swap(linear_model(), A, B, [])
    with pytest.raises(ContextError, match=r"two single contexts, got \(1,\) of them"):
        inspect.swap(linear_model(), A[None], B, [probe()])
