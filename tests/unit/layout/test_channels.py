import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperdnn.errors import LayoutError
from hyperdnn.layout._channels import Channels, agree, flattened, joined, kept

IMAGE = Channels(4, (0, 2), -3, 4, source="conv")


def test_keeping_everything_is_keeping_all() -> None:
    assert kept((0, 1, 2), 3) is None
    assert kept((0, 2), 3) == (0, 2)


@given(st.sets(st.integers(0, 4), min_size=1, max_size=4), st.integers(1, 4), st.sampled_from(["inner", "outer"]))
def test_features_are_those_that_flattening_a_tensor_gives(keep: set[int], size: int, spread: str) -> None:
    there = torch.zeros(5, dtype=torch.bool)
    there[list(keep)] = True
    wide = there[:, None].expand(5, size) if spread == "inner" else there.expand(size, 5)
    x = Channels(5, tuple(sorted(keep)), spread=spread)  # type: ignore[arg-type]
    assert x.features(5 * size) == tuple(wide.flatten().nonzero().flatten().tolist())


@pytest.mark.parametrize(
    ("shape", "dim", "start", "end"),
    [
        ((2, 4, 3, 3), 1, 1, -1),
        ((2, 4, 3, 3), 1, 2, 3),
        ((2, 4, 3, 3), 1, 1, 2),
        ((2, 3, 3, 4), 3, 1, 2),
        ((2, 3, 3, 4), 3, 1, 3),
        ((2, 3, 4, 3), 2, 0, 1),
        ((2, 4), 1, 1, -1),
    ],
)
def test_flattening_is_that_of_torch(shape: tuple[int, ...], dim: int, start: int, end: int) -> None:
    wide = torch.zeros(shape)
    wide.select(dim, 1).fill_(1)
    wide.select(dim, 3).fill_(1)
    x = flattened("flatten", Channels(4, (1, 3), dim - len(shape), len(shape)), start, end)
    flat = wide.flatten(start, end)
    assert x.rank == flat.ndim
    assert (flat.movedim(x.dim, 0).flatten(1).sum(1) > 0).nonzero().flatten().tolist() == list(
        x.features(flat.shape[x.dim]) or ()
    )


def test_flattening_a_tensor_of_unknown_rank() -> None:
    x = Channels(4, (0, 1), source="map")
    assert flattened("flatten", x, 1, -1).spread == "outer"
    with pytest.raises(
        LayoutError, match=r"flattens 2 channels of 'map', but how many dimensions .* Write flatten\(1\)"
    ):
        flattened("flatten", x, 2, -1)
    assert flattened("flatten", Channels(4), 2, -1).total is None


def test_channels_in_the_middle_cannot_be_flattened() -> None:
    with pytest.raises(LayoutError, match="mixes 2 channels of 'conv' with dimensions on both sides"):
        flattened("flatten", IMAGE, 0, -1)


def test_both_sides_of_a_sum_must_have_the_same() -> None:
    assert agree("add", IMAGE, IMAGE) == IMAGE
    one = Channels(1, None, -3, 4)
    assert agree("mul", IMAGE, one) == agree("mul", one, IMAGE) == IMAGE
    for other in (Channels(4, (0, 1), -3, 4, source="b"), Channels(4, None, -3, 4, source="b"), Channels(source="b")):
        with pytest.raises(LayoutError, match=r"'add' meets 2 channels of 'conv' and .* channels of 'b'.* same width"):
            agree("add", IMAGE, other)


def test_a_sum_of_whole_tensors_is_known_only_if_both_sides_are_alike() -> None:
    whole = Channels(4, None, -3, 4)
    assert agree("add", Channels(), whole) == agree("add", whole, Channels()) == whole
    assert agree("add", whole, Channels(4, None, -1, 2)).total is None


def test_pieces_lie_one_after_the_other() -> None:
    whole = Channels(3, None, -3, 4, source="b")
    x = joined("cat", [IMAGE, whole, IMAGE])
    assert (x.total, x.keep, x.dim) == (11, (0, 2, 4, 5, 6, 7, 9), -3)
    assert x.source == "conv + b"
    assert joined("cat", [whole, whole]).keep is None
    assert joined("cat", [whole, Channels()]).total is None


@pytest.mark.parametrize("other", [Channels(source="b"), Channels(4, None, -1, 2, "inner", "b")])
def test_a_piece_of_unknown_size_cannot_be_joined_to_a_cut_one(other: Channels) -> None:
    with pytest.raises(LayoutError, match=r"joins 2 channels of 'conv' with what 'b' gives, .* leave 'conv' as wide"):
        joined("cat", [IMAGE, other])
