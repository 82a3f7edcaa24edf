import pytest
import torch

from hyperdnn.lab.data import NewItems, simulated_ratings
from hyperdnn.lab.metrics import errors_by_shots


@pytest.fixture
def items():
    return NewItems(users=torch.zeros(40, 1), ratings=simulated_ratings(40, 20, seed=0), shots=3, targets=5)


def test_one_error_for_each_number_of_ratings(items):
    counts = []

    def off_by_shots(batch):
        counts.append(int(batch.is_given[0].sum()))
        return batch.asked + counts[-1]

    found = errors_by_shots({"perfect": lambda batch: batch.asked, "off": off_by_shots}, items, draws=2)
    assert found == {"perfect": [0.0] * 4, "off": pytest.approx([0.0, 1.0, 2.0, 3.0])}
    assert counts == [0, 0, 1, 1, 2, 2, 3, 3]


def test_items_count_alike_and_draws_are_the_same_each_time(items):
    def zero(batch):
        return torch.zeros_like(batch.asked)

    first, again = (errors_by_shots({"zero": zero}, items) for _ in range(2))
    assert first == again
    batch = items.every(torch.zeros(20, dtype=torch.long), generator=torch.Generator().manual_seed(0))
    by_item = [batch.asked[i, batch.is_asked[i]].square().mean().sqrt() for i in range(20)]
    alone = errors_by_shots({"zero": zero}, items, draws=1)["zero"]
    assert alone == pytest.approx([torch.stack(by_item).mean().item()] * 4)  # the same users are asked
