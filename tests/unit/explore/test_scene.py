import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import encoders, heads, inspect, lab, targets
from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.explore._picture import pictures
from hyperdnn.explore._scene import Scene


def test_a_known_context_is_seen_as_the_model_makes_it(tasks):
    scene = Scene(tasks)
    look = scene.look(scene.known[1])
    weights = tasks.model.generate(torch.tensor(1))
    for name, tensor in weights.items():
        torch.testing.assert_close(look.weights[name], tensor.detach())
    for k, probe in enumerate(tasks.probes):
        outputs = tasks.model.target(weights, probe.inputs)
        torch.testing.assert_close(look.outputs[k], outputs.detach())
        assert look.losses[k] == pytest.approx(probe.measured(outputs).item())
    assert look.nearest == 1
    assert look.distance == 0
    assert look.norm == pytest.approx(math.sqrt(sum(w.square().sum().item() for w in weights.values())))
    assert look.in_weights == pytest.approx(scene.weights_map.points[1].tolist(), abs=1e-5)
    assert look.in_contexts == pytest.approx(scene.contexts_map.points[1].tolist(), abs=1e-5)


def test_between_two_contexts_features_are_blended(tasks):
    scene = Scene(tasks)
    row = 0.25 * scene.known[0] + 0.75 * scene.known[2]
    weights = tasks.model.hypernet.from_features(row)
    look = scene.look(row)
    torch.testing.assert_close(look.weights["1.weight"], weights["1.weight"].detach())
    assert look.nearest == 2
    assert look.distance == pytest.approx((row - scene.known[2]).norm().item())


def test_scales_are_those_of_all_known_contexts(tasks):
    scene = Scene(tasks)
    cells = pictures(tasks.model.generate(tasks.contexts)["1.weight"].detach())
    largest, apart = scene.limits["1.weight"]
    assert largest == pytest.approx(cells.abs().max().item())
    gaps = [(one - other).abs().max().item() for one in cells for other in cells]
    assert apart == pytest.approx(max(gaps))


def test_portions_do_not_change_what_is_measured(tasks, monkeypatch):
    whole = Scene(tasks)
    monkeypatch.setattr("hyperdnn.explore._scene._AT_ONCE", 1)
    parts = Scene(tasks)
    for name, limits in whole.limits.items():
        assert parts.limits[name] == pytest.approx(limits)
    torch.testing.assert_close(parts.losses, whole.losses, equal_nan=True)
    torch.testing.assert_close(parts.weights_map.points, whole.weights_map.points)


def test_a_map_of_many_weights_is_made_of_some(tasks, monkeypatch):
    monkeypatch.setattr("hyperdnn.explore._scene._MAPPED", 85)
    scene = Scene(tasks)
    assert scene.step == 3
    look = scene.look(scene.known[0])
    assert look.in_weights == pytest.approx(scene.weights_map.points[0].tolist(), abs=1e-5)


def test_losses_of_known_contexts(tasks, preferences):
    scene = Scene(tasks)
    for k, probe in enumerate(tasks.probes):
        outputs = tasks.model(probe.inputs, context=torch.tensor(k))
        assert scene.losses[k, k].item() == pytest.approx(probe.measured(outputs).item())
    assert scene.objectives is None
    scene = Scene(preferences)
    assert scene.objectives == (0, 1)
    for row, context in enumerate(preferences.contexts):
        for k, probe in enumerate(preferences.probes):
            outputs = preferences.model(probe.inputs, context=context)
            assert scene.losses[row, k].item() == pytest.approx(probe.measured(outputs).item())


def test_equal_inputs_are_run_once(preferences, monkeypatch):
    scene = Scene(preferences)
    calls = []
    forward = hd.Target.forward
    monkeypatch.setattr(hd.Target, "forward", lambda *given: calls.append(1) or forward(*given))
    scene.look(scene.known[0])
    assert len(calls) == 1


def test_each_probe_has_its_part_of_outputs_that_are_shared(preferences):
    first = preferences.probes[0]
    probes = [
        replace(
            first, name=f"output {k}", targets=first.targets[:, k], loss=F.mse_loss, answer=lambda y, k=k: y[..., k]
        )
        for k in range(2)
    ]
    scene = Scene(replace(preferences, probes=probes))
    look, outputs = scene.look(scene.known[1]), preferences.model(first.inputs, context=preferences.contexts[1])
    for k, probe in enumerate(probes):
        torch.testing.assert_close(look.outputs[k], outputs[:, k].detach())
        assert look.losses[k] == pytest.approx(F.mse_loss(outputs[:, k], probe.targets).item())
        assert scene.losses[1, k].item() == pytest.approx(look.losses[k])


def test_looking_leaves_no_trace(tasks):
    tasks.model.train()
    before, state = copy.deepcopy(tasks.model.state_dict()), torch.get_rng_state()
    scene = Scene(tasks)
    look = scene.look(scene.known[0])
    assert tasks.model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], tensor) for name, tensor in tasks.model.state_dict().items())
    assert not any(tensor.requires_grad for tensor in look.weights.values())


def test_what_is_random_is_the_same_at_every_look(curves):
    target = hd.Target(nn.Linear(1, 1), combine=targets.Gaussian())
    hypernet = hd.Hypernet(encoder=encoders.Vector(2), body=nn.Identity(), head=heads.FullHead(2, target.layout))
    view = lab.View(
        model=hd.HyperDNN(target, hypernet), contexts=curves.contexts, names=curves.names, probes=curves.probes
    )
    scene = Scene(view)
    first, second = scene.look(scene.known[0]), scene.look(scene.known[0])
    assert first.losses == second.losses
    assert math.isfinite(first.losses[0])
    assert set(scene.limits) == {"weight.mean", "weight.log_scale", "bias.mean", "bias.log_scale"}


def test_weights_that_are_not_finite_are_counted(tasks):
    with torch.no_grad():
        tasks.model.hypernet.head.linear.bias[:3] = math.nan
    scene = Scene(tasks)
    look = scene.look(scene.known[0])
    assert look.broken == 3
    assert look.in_weights == (0.0, 0.0)


def test_features_that_are_not_finite_are_refused(tasks):
    with torch.no_grad():
        tasks.model.hypernet.encoder.rows[0][0] = math.inf
    scene = Scene(tasks)
    with pytest.raises(ContextError, match="not finite"):
        scene.look(scene.known[0])


def test_a_network_that_cannot_be_run_is_a_message(curves):
    probe = inspect.Probe(name="wide", inputs=torch.ones(2, 3))
    scene = Scene(lab.View(model=curves.model, contexts=curves.contexts, names=curves.names, probes=[probe]))
    look = scene.look(scene.known[0])
    assert look.outputs == (None,)
    assert "mat" in look.trouble


def test_running_statistics_of_each_context_are_a_message(curves):
    net = nn.Sequential(nn.Linear(1, 2), nn.BatchNorm1d(2))
    target = hd.Target(net, buffers="per_context")
    hypernet = hd.Hypernet(encoder=encoders.Vector(2), body=nn.Identity(), head=heads.FullHead(2, target.layout))
    view = lab.View(
        model=hd.HyperDNN(target, hypernet), contexts=curves.contexts, names=curves.names, probes=curves.probes
    )
    scene = Scene(view)
    assert "with_buffers" in scene.trouble
    assert "with_buffers" in scene.look(scene.known[0]).trouble


def test_one_context_and_double_precision(curves):
    model = copy.deepcopy(curves.model).double()
    view = lab.View(model=model, contexts=curves.contexts[:1].double(), names=["a"])
    look = Scene(view).look(torch.tensor([0.5, 5.0]))
    assert look.weights["weight"].dtype == torch.float64
    assert look.distance == pytest.approx(0.5)


def test_without_contexts_there_is_nothing_to_explore(curves):
    with pytest.raises(ConfigError, match="no contexts"):
        Scene(lab.View(model=curves.model, contexts=torch.empty(0, 2), names=[]))
