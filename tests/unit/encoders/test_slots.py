import pytest
import torch

from hyperdnn.encoders import Slots
from hyperdnn.errors import ConfigError


@pytest.mark.parametrize("contexts", [(), (1,), (4,), (2, 3), (0,)])
def test_each_row_is_the_context_and_its_slots_embedding(contexts: tuple[int, ...]) -> None:
    slots = Slots(5, 3)
    features = torch.randn(*contexts, 2)
    out = slots(features)
    assert out.shape == (*contexts, 5, 5)
    for i in range(5):
        assert torch.equal(out[..., i, :2], features)
        assert torch.equal(out[..., i, 2:], slots.embeddings[i].expand(*contexts, 3))


def test_embeddings_are_trained_and_start_standard_normal() -> None:
    torch.manual_seed(0)
    slots = Slots(100, 50)
    assert slots.embeddings.std().item() == pytest.approx(1, rel=0.05)
    slots(torch.randn(4, 2)).sum().backward()
    assert torch.equal(slots.embeddings.grad, torch.full((100, 50), 4.0))


@pytest.mark.parametrize(("at", "indices"), [(None, [3, 4]), (3, [3, 4]), (0, [0, 1]), (1, [1, 2])])
def test_new_slots_leave_the_old_ones_as_they_are(at: int | None, indices: list[int]) -> None:
    slots = Slots(3, 4, dtype=torch.float64)
    old = slots.embeddings.clone()
    assert list(slots.grow(2, at=at)) == indices
    kept = [i for i in range(5) if i not in indices]
    assert torch.equal(slots.embeddings[kept], old)
    assert slots.embeddings.dtype == torch.float64
    assert slots(torch.randn(2, 1).double()).shape == (2, 5, 5)
    assert len(slots.embeddings.unique(dim=0)) == 5


def test_frozen_slots_stay_frozen_and_new_ones_are_standard_normal() -> None:
    torch.manual_seed(0)
    slots = Slots(3, 400)
    slots.embeddings.requires_grad_(False)
    indices = slots.grow(30)
    new = slots.embeddings[indices.start :]
    assert not slots.embeddings.requires_grad
    assert new.std().item() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize(("count", "at"), [(0, None), (-1, None), (1, 4), (1, -1)])
def test_slots_are_added_where_there_is_a_place(count: int, at: int | None) -> None:
    with pytest.raises(ConfigError, match=rf"grow\({count}, at={3 if at is None else at}\).*a place from 0 to 3"):
        Slots(3, 4).grow(count, at=at)
