import json

import pytest
import torch

from hyperdnn import ParamSpec


def spec(**changes: object) -> ParamSpec:
    return ParamSpec(**{"name": "a.weight", "shape": (3, 4), **changes})


@pytest.mark.parametrize(("shape", "numel"), [((), 1), ((5,), 5), ((3, 4), 12), ((3, 0), 0)])
def test_numel_counts_the_numbers(shape: tuple[int, ...], numel: int) -> None:
    assert spec(shape=shape).numel == numel


def test_names_are_the_name_and_all_aliases_in_order() -> None:
    assert spec(aliases=("b.weight", "c.weight")).names == ("a.weight", "b.weight", "c.weight")


def test_specs_are_values() -> None:
    assert spec() == spec()
    assert hash(spec()) == hash(spec())
    assert spec() != spec(shape=(4, 3))
    with pytest.raises(AttributeError):
        spec().shape = (1,)  # type: ignore[misc]


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.int64]
)
def test_json_and_back_through_text(dtype: torch.dtype) -> None:
    full = spec(
        dtype=dtype,
        kind="in_projection",
        fan_in=7,
        fan_out=9,
        init_mean=0.1,
        init_std=1 / 3,
        layer=("torch.nn.modules.linear.Linear",),
        aliases=("b.weight",),
    )
    assert ParamSpec.from_json(json.loads(json.dumps(full.to_json()))) == full
