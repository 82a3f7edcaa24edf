import json

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, targets
from hyperdnn.errors import CheckpointError, ConfigError
from hyperdnn.models._parts import build_combine, build_part, describe_combine, describe_part

LAYOUT = hd.ParamLayout.of(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)))


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("encoder", encoders.Table(3, 5, std=0.3)),
        ("encoder", encoders.Vector(4)),
        ("encoder", encoders.Noise(4)),
        ("encoder", encoders.UniformNoise(4, low=0.0, high=2.0)),
        ("encoder", encoders.LearnedNoise(4)),
        ("encoder", encoders.ScaledVector([(0.1, 1.0), (0.0, 2.0)], log=[0])),
        ("encoder", encoders.QuarterCircle([(0.1, 1.0), (0.0, 2.0)], log=[0])),
        ("encoder", encoders.Fourier(3, 4, scale=0.5)),
        ("encoder", encoders.Tokens(4)),
        ("encoder", encoders.Simplex(4)),
        ("encoder", encoders.Set(3, 5, hidden=8, num_heads=2)),
        ("encoder", encoders.Sequence(3, 5, hidden=8)),
        ("encoder", encoders.Image(3, 5, widths=(4, 6))),
        ("encoder", encoders.Graph(3, 5, hidden=8, num_heads=2)),
        ("slots", encoders.Slots(6, 2)),
        ("body", bodies.Linear(3, 4)),
        ("body", bodies.MLP(3, 8, 5, activation="tanh")),
        ("body", bodies.CNN(3, 5, 5, kernel=5, norm="layer", dropout=0.1, residual=True)),
        ("body", bodies.CrossAttention(3, 2, 6, layers=1, heads=3)),
        ("body", bodies.Deconv(3, 8, 5, slots=7, stride=3, activation="gelu")),
        ("body", bodies.Graph(3, 8, (4, ((0, 1), (1, 3))), rounds=2)),
        ("head", heads.TiledHead(5, LAYOUT, tile=(4, 4), owner=(0, 0, 2, 2), slots=4)),
        ("head", heads.NodeHead(5, LAYOUT, owner=(0, 0, 2, 2), slots=4)),
        ("head", heads.FullHead(5, LAYOUT, normalize=False)),
        ("head", heads.MultiHead(5, LAYOUT)),
        ("head", heads.ChunkedHead(5, LAYOUT, 7, signs=False)),
        ("head", heads.ChunkedHead(5, LAYOUT, 7)),
        ("head", heads.ComponentHead(5, LAYOUT, component="row", normalize=False)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else value,
)
def test_a_part_of_ours_is_built_again_from_plain_values(role: str, part: nn.Module) -> None:
    described = json.loads(json.dumps(describe_part(role, part)))
    again = build_part(role, described, LAYOUT, {})
    assert type(again) is type(part)
    assert repr(again) == repr(part)
    again.load_state_dict(part.state_dict())
    assert describe_part(role, again) == describe_part(role, part)


def test_a_grown_table_is_described_as_it_is_now() -> None:
    table = encoders.Table(3, 5)
    table.grow(2)
    assert describe_part("encoder", table)["arguments"] == {"contexts": 5, "features": 5, "std": 1.0}


@pytest.mark.parametrize(
    ("role", "part"), [("encoder", encoders.FromModule(nn.Linear(3, 5), 5)), ("body", nn.Linear(3, 5))]
)
def test_a_part_of_the_users_own_is_only_named(role: str, part: nn.Module) -> None:
    described = describe_part(role, part)
    assert described == {"class": type(part).__name__, "own": False}
    assert build_part(role, described, LAYOUT, {role: part}) is part
    with pytest.raises(ConfigError, match=rf"the saved {role} is a {type(part).__name__} .*from_pretrained\(.*{role}="):
        build_part(role, described, LAYOUT, {})


def test_a_class_of_the_same_name_is_not_ours() -> None:
    class MLP(nn.Module):
        pass

    assert describe_part("body", MLP()) == {"class": "MLP", "own": False}


@pytest.mark.parametrize("combine", [targets.Replace(), targets.Residual(), targets.Scale(), targets.LowRank(3)])
def test_combines_are_built_again(combine: targets.Replace) -> None:
    assert build_combine(json.loads(json.dumps(describe_combine(combine)))) == combine


def test_a_combine_of_the_users_own_cannot_be_saved() -> None:
    class Mine:
        needs_base = False

        def specs(self, spec: hd.ParamSpec) -> list[hd.ParamSpec]:
            return [spec]

        def __call__(self, generated: list[Tensor], base: Tensor | None, shape: tuple[int, ...]) -> Tensor:
            return -generated[0]

    with pytest.raises(ConfigError, match="combine Mine is not one of hyperdnn's and cannot be saved"):
        describe_combine(Mine())


@pytest.mark.parametrize("name", ["Target", "Policy", "os.system", "__builtins__", "Mine", ""])
def test_a_combine_is_one_of_the_list(name: str) -> None:
    with pytest.raises(CheckpointError, match="which hyperdnn does not have"):
        build_combine({"class": name, "arguments": {}})


@pytest.mark.parametrize("name", ["os.system", "torch.nn.Linear", "__init__", "nn", "Tensor", "MLP2", ""])
def test_a_part_is_one_of_the_list(name: str) -> None:
    with pytest.raises(CheckpointError, match="which hyperdnn does not have"):
        build_part("body", {"class": name, "own": True, "arguments": {}}, LAYOUT, {})


def test_an_argument_is_one_of_the_constructors() -> None:
    saved = {"class": "Vector", "own": True, "arguments": {"features": 3, "code": "x"}}
    with pytest.raises(CheckpointError, match="gives Vector an argument 'code' that it does not have"):
        build_part("encoder", saved, LAYOUT, {})


def test_a_part_in_another_number_format_fits_its_tensors() -> None:
    head = heads.ChunkedHead(5, LAYOUT, 7, dtype=torch.float64)
    again = build_part("head", describe_part("head", head), LAYOUT, {})
    again.load_state_dict(head.state_dict(), assign=True)
    features = torch.randn(head.slots, 5).double()
    torch.testing.assert_close(again(features), head(features))
