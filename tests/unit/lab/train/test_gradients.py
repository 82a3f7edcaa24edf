"""One process; for two see ``tests/distributed/checks_engine.py``."""

import torch

from hyperdnn.lab.train._gradients import is_divided, mean_gradients, whole


def test_one_process_keeps_its_gradients():
    parameters = [torch.zeros(2), torch.zeros(3)]
    gradient = torch.ones(2)
    first, second = mean_gradients([gradient, None], parameters)
    assert first is gradient
    assert second is None
    assert mean_gradients([], []) == ()


def test_a_plain_tensor_is_whole():
    tensor = torch.zeros(2)
    assert whole(tensor) is tensor
    assert not is_divided(tensor)
