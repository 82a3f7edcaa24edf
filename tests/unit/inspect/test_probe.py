import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.inspect import Probe


def test_a_loss_is_measured_on_its_targets():
    probe = Probe(name="p", inputs=torch.ones(3, 2), targets=torch.zeros(3), loss=lambda y, t: (y - t).square().mean())
    assert probe.measured(torch.full((3,), 2.0)) == 4.0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"inputs": torch.ones(())}, r"one sample or more, got \(\)"),
        ({"inputs": torch.ones(0, 2)}, r"one sample or more, got \(0, 2\)"),
        ({"targets": torch.ones(3)}, "targets and loss go together"),
        ({"loss": torch.nn.functional.mse_loss}, "targets and loss go together"),
        ({"targets": torch.ones(2), "loss": torch.nn.functional.mse_loss}, "targets for 3 inputs, got 2"),
        ({"side": (2, 2)}, "3 inputs are no 2 x 2 pixels"),
    ],
)
def test_what_does_not_fit_is_refused(changed, words):
    with pytest.raises(ConfigError, match=words):
        Probe(**{"name": "p", "inputs": torch.ones(3, 2), **changed})


def test_without_a_loss_nothing_is_measured():
    with pytest.raises(ConfigError, match="'p' has no loss"):
        Probe(name="p", inputs=torch.ones(3, 2)).measured(torch.ones(3))
