import pytest
import torch

from hyperdnn.nn import TensorAffine


def test_each_tensor_gets_its_own_gain_and_offset() -> None:
    raw = {"a": torch.randn(2, 3, 4), "b": torch.randn(2), "c": torch.randn(2, 5)}
    out = TensorAffine([0.0, 1.0, -2.0], [0.5, 0.0, 3.0])(raw)
    assert list(out) == ["a", "b", "c"]
    torch.testing.assert_close(out["a"], 0.5 * raw["a"])
    torch.testing.assert_close(out["b"], torch.ones(2))
    torch.testing.assert_close(out["c"], 3 * raw["c"] - 2)


def test_gains_are_trained_and_offsets_are_saved_only() -> None:
    affine = TensorAffine([1.0], [0.0])
    assert [name for name, _ in affine.named_parameters()] == ["gain"]
    assert set(affine.state_dict()) == {"gain", "offset"}


def test_a_gain_of_zero_opens_in_training() -> None:
    affine = TensorAffine([1.0], [0.0])
    affine({"a": torch.tensor([1.0, 2.0])})["a"].sum().backward()
    assert affine.gain.grad.tolist() == [3.0]


def test_as_many_tensors_as_pairs() -> None:
    with pytest.raises(ValueError, match="zip"):
        TensorAffine([0.0], [1.0])({"a": torch.zeros(1), "b": torch.zeros(1)})


def test_dtype_follows_the_argument() -> None:
    affine = TensorAffine([0.0], [1.0], dtype=torch.float64)
    assert affine.gain.dtype == affine.offset.dtype == torch.float64
