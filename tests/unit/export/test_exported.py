import math
from pathlib import Path

import pytest
import torch

from hyperdnn.errors import ExportError
from hyperdnn.export import Exported, difference

INF, NAN = math.inf, math.nan


def test_numbers_by_hand() -> None:
    expected = torch.tensor([[10.0, -2.0], [0.0, 1.0]])
    found = difference([expected + torch.tensor([[5e-4, 0.0], [0.0, -2e-4]])], expected)
    assert found.largest == pytest.approx(5e-4, rel=1e-2)
    assert found.limit == pytest.approx(1e-3, rel=1e-3)
    assert (found.outputs, found.within) == (4, True)
    assert not difference(expected + 2e-3, expected).within
    assert str(found) == "largest difference 0.0005 in 4 outputs, at most 0.001 allowed"


def test_each_tensor_has_a_limit_of_its_own() -> None:
    expected = {"large": torch.tensor([1e6]), "small": torch.tensor([1.0])}
    assert difference({"large": torch.tensor([1e6 + 50]), "small": torch.tensor([1.0])}, expected).within
    assert not difference({"large": torch.tensor([1e6]), "small": torch.tensor([1.5])}, expected).within


@pytest.mark.parametrize(
    ("found", "expected", "largest"),
    [
        ([NAN, INF, -INF], [NAN, INF, -INF], 0.0),
        ([NAN], [1.0], INF),
        ([1.0], [NAN], INF),
        ([INF], [-INF], INF),
        ([INF], [1.0], INF),
        ([], [], 0.0),
        ([0.0], [0.0], 0.0),
    ],
)
def test_what_is_no_number(found: list[float], expected: list[float], largest: float) -> None:
    result = difference(torch.tensor(found), torch.tensor(expected))
    assert (result.largest, result.within) == (largest, largest == 0.0)


@pytest.mark.parametrize(
    ("dtype", "allowed"), [(torch.float64, 1e-10), (torch.float32, 5e-5), (torch.float16, 4e-3), (torch.bfloat16, 3e-2)]
)
def test_limits_follow_the_type(dtype: torch.dtype, allowed: float) -> None:
    expected = torch.ones(1, dtype=dtype)
    assert allowed < difference(expected, expected).limit < 30 * allowed


def test_whole_numbers_are_equal_or_not() -> None:
    expected = torch.tensor([3, 4])
    assert difference(expected, expected).within
    assert not difference(expected + 1, expected).within


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([torch.ones(2)], "returns 2 tensors, what was read back 1"),
        ([torch.ones(2), torch.ones(4)], r"output 1 is float32 \(3,\) of the network and float32 \(4,\)"),
        ([torch.ones(2), torch.ones(3, dtype=torch.long)], r"and int64 \(3,\) of what was read back"),
    ],
)
def test_other_outputs(found: list[torch.Tensor], words: str) -> None:
    with pytest.raises(ExportError, match=words):
        difference(found, (torch.ones(2), torch.ones(3)))


def test_what_is_printed() -> None:
    one = difference(torch.ones(3), torch.ones(3))
    said = str(Exported(Path("net.onnx"), 12_345, 6_789, one, lambda x: x))
    assert said.startswith("net.onnx: 6,789 numbers, 12,345 bytes; read back: largest difference 0 in 3 outputs")
