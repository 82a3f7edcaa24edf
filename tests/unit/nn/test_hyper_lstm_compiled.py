from pathlib import Path

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.nn import HyperLSTM

from ...scripts import complaints
from .hyper_lstm_compiled import CHECKS

SCRIPT = Path(__file__).with_name("hyper_lstm_compiled.py")


@pytest.fixture(scope="module")
def eager():
    return complaints(SCRIPT, "eager", timeout=1800)


@pytest.fixture(scope="module")
def inductor():
    return complaints(SCRIPT, "inductor", timeout=1800)


@pytest.mark.parametrize("name", CHECKS)
def test_compiled_steps_are_the_steps(name, eager):
    assert eager[name] is None


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_generated_code_is_the_steps(name, inductor):
    assert inductor[name] is None


@pytest.mark.parametrize("steps", [0, -1])
def test_no_step(steps):
    with pytest.raises(ConfigError, match=f"compile_steps: expected steps of at least 1, got {steps}"):
        HyperLSTM(3, 5).compile_steps(steps)


def test_it_leaves_parameters_and_names_alone():
    layer = HyperLSTM(3, 5, 4, 2)
    before = {name: tensor.data_ptr() for name, tensor in layer.state_dict().items()}
    layer.compile_steps()
    assert {name: tensor.data_ptr() for name, tensor in layer.state_dict().items()} == before


def test_without_it_second_derivatives_are_right():
    layer = HyperLSTM(2, 3, 2, 1, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.7)
    x = torch.randn(2, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: layer(x)[0], x)
