import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _repeatable():
    torch.manual_seed(0)
