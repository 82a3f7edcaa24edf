import torch

from hyperdnn.nn import Extension, SlotSigns


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


def test_new_slots_get_signs_and_old_ones_keep_theirs() -> None:
    signs = SlotSigns(4, 50)
    old = signs.signs.clone()
    signs.extend([Extension(0, 1, 2), Extension(3, 4, 1)])
    assert torch.equal(signs.signs[[0, 3, 4, 5]], old)
    assert signs.signs.dtype == torch.int8
    assert len(signs.signs.unique(dim=0)) == 7
    assert set(signs.signs.unique().tolist()) == {-1, 1}
    assert signs.state_dict()["signs"].shape == (7, 50)
