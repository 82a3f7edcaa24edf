import pytest
import torch

from hyperdnn.encoders import Slots


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
