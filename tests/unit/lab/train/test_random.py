import json
import random

import numpy as np
import pytest
import torch

from hyperdnn.lab.train._random import random_states, set_random_states
from hyperdnn.lab.train._tree import flatten, unflatten


def _draw():
    return [
        [random.random(), random.gauss(0, 1)],
        np.random.standard_normal(3).tolist(),
        np.random.random(2).tolist(),
        torch.randn(3).tolist(),
    ]


@pytest.mark.parametrize("warm", [0, 1])
def test_every_generator_goes_on_where_it_was(warm):
    random.seed(3)
    for _ in range(warm):
        random.gauss(0, 1)  # both have a second number in reserve now
        np.random.standard_normal()
    states = random_states()
    tree, tensors = flatten(states)
    expected = _draw()
    assert _draw() != expected
    set_random_states(unflatten(json.loads(json.dumps(tree)), tensors, "cpu"))
    assert _draw() == expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_generators_of_cuda_go_on_too():
    states = random_states()
    expected = torch.randn(3, device="cuda")
    set_random_states(states)
    assert torch.randn(3, device="cuda").equal(expected)


def test_devices_that_are_gone_are_left_out():
    set_random_states({**random_states(), "cuda": [torch.zeros(16, dtype=torch.uint8)] * 0, "mps": None})
