import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord
from hypothesis import given
from hypothesis import strategies as st

from hyperdnn.errors import LayoutError
from hyperdnn.lab.federated._wire import pack, pack_numbers, unpack, unpack_numbers

LIKE = {"weight": torch.empty(3, 2), "bias": torch.empty(3)}


def _bits(tensor):
    return tensor.contiguous().view(torch.uint8) if tensor.numel() and tensor.ndim else tensor


@given(shape=st.lists(st.integers(0, 4), max_size=3), seed=st.integers(0, 100), type=st.integers(0, 5))
def test_tensors_travel_bit_by_bit(shape, seed, type):
    dtype = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool][type]
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 1e3
    tensor = numbers.to(dtype)
    back = unpack(pack({"a.b": tensor}), {"a.b": torch.empty(shape, dtype=dtype, device="meta")})["a.b"]
    assert (back.dtype, back.shape) == (dtype, tensor.shape)
    assert _bits(back).equal(_bits(tensor))


def test_odd_numbers_and_strides_travel_too():
    odd = torch.tensor([float("nan"), float("-inf"), -0.0, 1e-45])
    back = unpack(pack({"x": odd}), {"x": odd})["x"]
    assert back.view(torch.int32).equal(odd.view(torch.int32))
    for tensor in (torch.randn(3, 4).T, torch.randn(1, 3).expand(5, 3), torch.nn.Parameter(torch.randn(2))):
        back = unpack(pack({"x": tensor}), {"x": tensor.detach()})["x"]
        assert back.equal(tensor)
        assert not back.requires_grad
        back.add_(1)  # it is nobody else's


def _record(**arrays):
    good = pack({"weight": torch.zeros(3, 2), "bias": torch.zeros(3)})
    return ArrayRecord({**dict(good), **arrays})


def _array(**changes):
    good = Array(torch.zeros(3).numpy())
    values = {"dtype": good.dtype, "shape": good.shape, "stype": good.stype, "data": good.data, **changes}
    return Array(values["dtype"], values["shape"], values["stype"], values["data"])


class Harm:
    def __reduce__(self):
        return (pytest.fail, ("something was unpickled",))


def _pickled():
    import io

    import numpy as np

    file = io.BytesIO()
    np.save(file, np.array([Harm()], dtype=object), allow_pickle=True)
    return _array(data=file.getvalue())


def _claimed(shape):
    import io

    import numpy as np

    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return _array(data=file.getvalue() + bytes(12))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (lambda: _record(other=_array()), "'other' is unknown"),
        (lambda: pack({"weight": torch.zeros(3, 2)}), "'bias' is missing"),
        (lambda: _record(bias=Array(torch.zeros(4).numpy())), r"'bias': expected \(3,\) of float32, got \(4,\)"),
        (lambda: _record(bias=Array(torch.zeros(3, 1).numpy())), r"'bias': expected \(3,\) of float32, got \(3, 1\)"),
        (lambda: _record(bias=Array(torch.zeros(3).double().numpy())), r"of float32, got \(3,\) of float64"),
        (lambda: _record(bias=Array(torch.zeros(3).int().numpy())), "of float32, got .* of int32"),
        (lambda: _record(bias=Array(torch.zeros(100_000).numpy())), "'bias': expected .*, got 400128 bytes"),
        (lambda: _record(bias=_array(data=b"")), "'bias': expected .*, got 0 bytes"),
        (lambda: _record(bias=_array(data=b"x" * 100)), "'bias' is not an array"),
        (lambda: _record(bias=_array(stype="pickle")), "'bias' is not an array: .*pickle"),
        (lambda: _record(bias=_array(data=_array().data[:-1])), "'bias'"),
        (lambda: _record(bias=_claimed((10**9,))), "'bias'"),
        (lambda: _record(bias=_claimed((-3,))), "'bias'"),
        (lambda: _record(bias=_pickled()), "'bias'"),
        (lambda: ConfigRecord({}), "expected arrays, got ConfigRecord"),
    ],
)
def test_what_is_not_as_expected_is_refused_by_name(record, message):
    with pytest.raises(LayoutError, match=message):
        unpack(record(), LIKE)


@given(st.binary(max_size=200))
def test_noise_is_refused(noise):
    with pytest.raises(LayoutError, match="'bias'"):
        unpack(_record(bias=_array(data=noise)), LIKE)


@given(st.integers(0, 139), st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_a_number(place, bit):
    data = bytearray(_array().data)
    data[place] ^= 1 << bit
    try:
        found = unpack(_record(bias=_array(data=bytes(data))), LIKE)["bias"]
    except LayoutError:
        return
    assert (found.shape, found.dtype) == ((3,), torch.float32)


def test_numbers_travel_and_others_are_refused():
    numbers = {"loss": 0.1 + 0.2, "accuracy": 1.0, "odd": float("inf")}
    assert unpack_numbers(pack_numbers(numbers)) == numbers
    for bad, message in (
        (MetricRecord({"loss": [1.0, 2.0]}), "'loss': expected a number, got 2"),
        (ConfigRecord({"loss": 1.0}), "expected numbers, got ConfigRecord"),
    ):
        with pytest.raises(LayoutError, match=message):
            unpack_numbers(bad)
