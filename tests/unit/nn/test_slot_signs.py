import torch

from hyperdnn.nn import SlotSigns


def test_each_slot_has_its_own_signs() -> None:
    torch.manual_seed(0)
    signs = SlotSigns(50, 64)
    out = signs(torch.ones(50, 64))
    assert set(out.unique().tolist()) == {-1.0, 1.0}
    assert len(out.unique(dim=0)) == 50
    assert abs(out.mean().item()) < 0.1


def test_signs_are_fixed_saved_and_cost_nothing() -> None:
    signs, other = SlotSigns(3, 4), SlotSigns(3, 4)
    assert list(signs.parameters()) == []
    other.load_state_dict(signs.state_dict())
    x = torch.randn(2, 3, 4)
    assert torch.equal(signs(x), other(x))
    assert torch.equal(signs(signs(x)), x)


def test_signs_stay_small_and_follow_the_features_type() -> None:
    signs = SlotSigns(3, 4).double()
    assert signs.signs.dtype == torch.int8
    assert signs(torch.ones(3, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
