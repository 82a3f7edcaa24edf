import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.nn import Tiles

fast = settings(max_examples=40, deadline=None)
sizes = st.integers(1, 9)
contexts = st.lists(st.integers(0, 3), max_size=2).map(tuple)


@fast
@given(contexts, sizes, sizes, st.integers(1, 5), st.integers(0, 7), st.sampled_from([torch.float32, torch.bfloat16]))
def test_folding_unchanged_tiles_is_the_identity_exactly(lead, height, width, size, overlap, dtype):
    tiles, image = Tiles(size, overlap), (100 * torch.randn(*lead, 2, height, width)).to(dtype)
    cut = tiles.split(image)
    assert cut.shape == (*lead, *tiles.grid(height, width), 2, size + 2 * overlap, size + 2 * overlap)
    assert torch.equal(tiles.fold(cut, height, width), image)


@fast
@given(sizes, sizes, st.integers(1, 4), st.integers(0, 5), st.integers(0, 5))
def test_both_ways_are_a_plain_loop_over_cells(height, width, size, overlap, margin):
    image = torch.randn(2, height, width, dtype=torch.float64)
    tiles = Tiles(size, overlap)
    cut, (down, across) = tiles.split(image), tiles.grid(height, width)
    padded = F.pad(image, (overlap, overlap + size, overlap, overlap + size))
    side, left = size + 2 * overlap, size + 2 * margin
    outputs = torch.randn(down, across, 3, left, left, dtype=torch.float64)
    sums = torch.zeros(3, down * size + 2 * margin, across * size + 2 * margin, dtype=torch.float64)
    counts = torch.zeros_like(sums)
    for i in range(down):
        for j in range(across):
            y, x = i * size, j * size
            assert torch.equal(cut[i, j], padded[:, y : y + side, x : x + side])
            sums[:, y : y + left, x : x + left] += outputs[i, j]
            counts[:, y : y + left, x : x + left] += 1
    expected = (sums / counts)[:, margin : margin + height, margin : margin + width]
    torch.testing.assert_close(tiles.fold(outputs, height, width), expected)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_equal_weights_everywhere_are_the_plain_convolution(kernel: int) -> None:
    weight, image = torch.randn(4, 3, kernel, kernel), torch.randn(2, 3, 10, 7)
    tiles = Tiles(4, overlap=kernel // 2)
    cut = tiles.split(image)
    outputs = F.conv2d(cut.flatten(0, 2), weight).unflatten(0, cut.shape[:3])
    torch.testing.assert_close(tiles.fold(outputs, 10, 7), F.conv2d(image, weight, padding=kernel // 2))


def test_derivatives_under_vmap_too() -> None:
    tiles, image = Tiles(2, overlap=1), torch.randn(2, 1, 3, 4, dtype=torch.float64, requires_grad=True)

    def call(image: Tensor) -> Tensor:
        return tiles.fold(tiles.split(image).square(), 3, 4)

    assert torch.autograd.gradcheck(call, image)
    assert torch.autograd.gradgradcheck(call, image)
    torch.testing.assert_close(torch.vmap(call)(image), call(image))
    gradient = torch.vmap(torch.func.grad(lambda image: call(image).square().sum()))(image)
    torch.testing.assert_close(gradient, torch.autograd.grad(call(image).square().sum(), image)[0])


def _patchwise() -> hd.HyperDNN:
    """Each cell of a conditioning image generates a convolution, without padding, for the same cell of the data."""
    target = hd.Target(nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Conv2d(4, 3, 1)))
    body, head = bodies.MLP(6, 8, activation="tanh"), heads.FullHead(8, target.layout)
    hypernet = hd.Hypernet(encoder=encoders.Cells(1, 6, widths=(4, 5)), body=body, head=head)
    return hd.HyperDNN(target, hypernet).double()


@pytest.mark.parametrize("lead", [(2,), (1,), (0,), (2, 3), ()], ids=str)
def test_patchwise_convolutions_are_a_plain_loop_over_images_and_cells(lead: tuple[int, ...]) -> None:
    model, tiles = _patchwise(), Tiles(4, overlap=1)
    context = torch.randn(*lead, 1, 10, 7, dtype=torch.float64)
    x = torch.randn(*lead, 2, 10, 7, dtype=torch.float64)
    cut, weights = tiles.split(x), model.generate(context)
    assert model.target.layout.check(weights) == (*lead, 3, 2)
    y = tiles.fold(model.paired(cut, context=context), 10, 7)
    assert y.shape == (*lead, 3, 10, 7)
    flat = {name: w.reshape(-1, *model.target.layout[name].shape) for name, w in weights.items()}
    cells = [
        model.target({name: w[i] for name, w in flat.items()}, cell[None])[0]
        for i, cell in enumerate(cut.reshape(-1, *cut.shape[-3:]))
    ]
    outputs = torch.stack(cells).reshape(*lead, 3, 2, 3, 4, 4) if cells else y.new_zeros(*lead, 3, 2, 3, 4, 4)
    expected = tiles.fold(outputs, 10, 7)
    torch.testing.assert_close(y, expected)
    if cells:
        parameters = list(model.parameters())
        grads = [torch.autograd.grad(out.square().sum(), parameters, retain_graph=True) for out in (y, expected)]
        torch.testing.assert_close(*grads)


def test_local_filters_have_weights_for_each_pixel() -> None:
    """Dynamic local filtering: a cell of one pixel, a margin as wide as the filter reaches."""
    image, filters = torch.randn(2, 1, 5, 6), torch.randn(2, 5, 6, 1, 1, 3, 3)
    tiles = Tiles(1, overlap=1)
    target = hd.Target(nn.Conv2d(1, 1, 3, bias=False))
    y = tiles.fold(target.paired({"weight": filters}, tiles.split(image)), 5, 6)
    patches = F.unfold(image, 3, padding=1).unflatten(-1, (5, 6))
    expected = (patches * filters.flatten(-4).movedim(-1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(y, expected)


def test_no_contexts_no_cells() -> None:
    tiles = Tiles(3, overlap=1)
    assert tiles.split(torch.zeros(2, 1, 0, 4)).shape == (2, 0, 2, 1, 5, 5)
    assert tiles.fold(tiles.split(torch.zeros(2, 1, 0, 4)), 0, 4).shape == (2, 1, 0, 4)


def test_integers_can_be_cut_and_joined_where_no_margin_is_left() -> None:
    labels = torch.randint(9, (2, 1, 5, 4))
    assert torch.equal(Tiles(2).fold(Tiles(2).split(labels), 5, 4), labels)


@pytest.mark.parametrize("values", [(0, 0), (-1, 0), (2, -1)])
def test_sizes_that_are_none(values: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"a size of at least 1 and an overlap of at least 0, got Tiles\(size="):
        Tiles(*values)


@pytest.mark.parametrize(
    "shape",
    [(2, 2, 1, 3, 3), (2, 3, 1, 4, 4), (3, 2, 1, 5, 4), (3, 2, 1, 5, 5), (2, 3, 1, 2, 2), (1, 4, 4)],
    ids=str,
)
def test_tiles_of_another_grid(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    words = r"for 5 x 7 pixels in cells of 3 expected \(\*contexts, 2, 3, channels, tile, tile\)"
    with pytest.raises(LayoutError, match=words):
        Tiles(3, overlap=1).fold(torch.zeros(shape), 5, 7)


def test_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(
        LayoutError, match=r"Tiles.split: expected \(\*contexts, channels, height, width\), got \(5, 7\)"
    ):
        Tiles(3).split(torch.zeros(5, 7))
