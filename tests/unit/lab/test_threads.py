import pytest
import torch

from hyperdnn.lab._threads import computing_with


def test_the_number_is_as_it_was_afterwards():
    before = torch.get_num_threads()
    seen = []

    def fail():
        with computing_with(3):
            seen.append(torch.get_num_threads())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert seen == [3]
    assert torch.get_num_threads() == before
    with computing_with(None):
        assert torch.get_num_threads() == before
