from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn.lab.train import Log, State
from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._float32 import generating_in_float32

CPU = torch.device("cpu")


def _model():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    return hd.HyperDNN.for_vectors(net, features=3, hidden=8)


def _hooks(module):
    return len(module._forward_hooks) + len(module._forward_pre_hooks)


@pytest.mark.parametrize(("asked", "expected"), [(True, torch.float32), (False, torch.bfloat16)])
def test_only_the_target_is_in_fewer_bits(asked, expected, settings, tasks):
    model, seen = _model(), set()
    state = State(model=model, config=SimpleNamespace(), generator=torch.Generator().manual_seed(0))

    def step(model, batch, state):
        weights = model.generate(torch.ones(3))
        output = model.call(weights, batch.inputs)
        seen.add((next(iter(weights.values())).dtype, output.dtype))
        return {"loss": F.cross_entropy(output, batch.targets)}

    def evaluate(model, task):
        return {"float32": float(model.generate(torch.ones(3))["1.weight"].dtype == torch.float32)}

    engine = Engine(state, replace(settings, precision="bf16-mixed", generate_in_float32=asked, log_every=2))
    engine.optimise(step, partial(tasks[0].train.sample, 4), iterations=3, log=Log())
    assert seen == {(expected, torch.bfloat16)}
    assert engine.evaluate(evaluate, tasks[0]) == {"float32": float(asked)}
    assert _hooks(model.hypernet) == 0


def test_what_is_generated_is_what_float32_generates():
    model, context = _model(), torch.randn(5, 3)
    expected = model.generate(context)
    with torch.autocast("cpu", torch.bfloat16), generating_in_float32([model.hypernet], CPU):
        generated = model.generate(context)
    torch.testing.assert_close(generated, expected, rtol=0, atol=0)


def test_a_context_that_the_target_made_in_fewer_bits_is_widened():
    model, context = _model(), torch.randn(5, 3, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16), generating_in_float32([model.hypernet], CPU):
        generated = model.hypernet(context)
    torch.testing.assert_close(generated, model.hypernet(context.float()), rtol=0, atol=0)


def test_an_error_on_the_way_leaves_the_autocast_as_it_was():
    model = _model()
    with torch.autocast("cpu", torch.bfloat16):
        with generating_in_float32([model.hypernet], CPU), pytest.raises(hd.errors.HyperDNNError):
            model.hypernet(torch.randn(2, 7))
        assert torch.is_autocast_enabled("cpu")
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")
    assert _hooks(model.hypernet) == 0


def test_hypernets_inside_hypernets_have_their_own_end():
    outer = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    with torch.autocast("cpu", torch.bfloat16), generating_in_float32([outer, outer[0]], CPU):
        assert outer(torch.randn(2, 3)).dtype == torch.float32
        assert torch.is_autocast_enabled("cpu")
