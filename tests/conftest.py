import gc

import pytest
import torch

torch.set_num_threads(1)


def pytest_collection_finish():
    # Ten thousand tests and all that they import stay to the end: no collection of garbage need walk through them.
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _repeatable():
    torch.manual_seed(0)
