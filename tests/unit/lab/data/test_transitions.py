import torch

from hyperdnn.lab.data import Transitions


def rows(start: int, stop: int) -> Transitions:
    numbers = torch.arange(start, stop, dtype=torch.float32)
    return Transitions(
        observations=numbers[:, None].expand(-1, 3),
        actions=-numbers[:, None],
        rewards=10 * numbers,
        following=numbers[:, None].expand(-1, 3) + 1,
        terminated=torch.zeros(stop - start),
    )


def test_rows_stay_together_when_some_are_taken():
    some = rows(0, 5)[torch.tensor([3, 1])]
    assert len(some) == 2
    assert some.rewards.tolist() == [30, 10]
    assert some.actions.tolist() == [[-3], [-1]]
    assert some.following[:, 0].tolist() == [4, 2]


def test_parts_are_joined_in_order():
    both = Transitions.joined([rows(0, 2), rows(5, 6)])
    assert both.rewards.tolist() == [0, 10, 50]
    assert both.observations.shape == (3, 3)


def test_all_of_it_moves():
    moved = rows(0, 2).to("meta")
    assert {tensor.device.type for tensor in moved.tensors().values()} == {"meta"}
