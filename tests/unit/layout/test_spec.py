import json

import pytest
import torch

from hyperdnn import ParamSpec
from hyperdnn.errors import LayoutError


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


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("shape", [-1], "'shape' in the layout: expected a list of sizes, got \\[-1\\]"),
        ("shape", [True], "expected a list of sizes"),
        ("dtype", "save", "'dtype' in the layout: expected a number format of torch, got 'save'"),
        ("kind", "lineer", "'kind' in the layout: expected one of linear, convolution"),
        ("fan_in", 1.5, "'fan_in' in the layout: expected a whole number"),
        ("init_mean", float("nan"), "'init_mean' in the layout: expected a finite number, got nan"),
        ("init_std", -1.0, "'init_std' in the layout: expected a finite number from 0"),
        ("aliases", "ab", "'aliases' in the layout: expected a list of names, got 'ab'"),
    ],
)
def test_values_that_no_layout_has_are_named(field, value, words):
    data = ParamSpec(name="a", shape=(3,)).to_json()
    with pytest.raises(LayoutError, match=words):
        ParamSpec.from_json({**data, field: value})
    del data[field]
    with pytest.raises(LayoutError, match=f"a spec of the layout has no '{field}'"):
        ParamSpec.from_json(data)


@pytest.mark.usefixtures("as_a_user_runs_it")
def test_what_is_no_spec():
    with pytest.raises(LayoutError, match="a spec of a layout is a mapping, got list"):
        ParamSpec.from_json([])
