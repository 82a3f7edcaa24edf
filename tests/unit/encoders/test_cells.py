import pytest
import torch

from hyperdnn.encoders import Cells, Frozen
from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.nn import Tiles


@pytest.mark.parametrize("size", [(1, 1), (4, 8), (9, 5), (16, 3)])
@pytest.mark.parametrize("contexts", [(), (1,), (0,), (2, 3)])
def test_the_grid_is_that_of_tiles(contexts: tuple[int, ...], size: tuple[int, int]) -> None:
    encoder, images = Cells(3, 5, widths=(4, 6)), torch.randn(*contexts, 3, *size)
    out = encoder(images)
    assert encoder.cell == 4
    assert out.shape == (*contexts, *Tiles(encoder.cell).grid(*size), 5)
    assert out.shape[:-1] == Tiles(encoder.cell, overlap=1).split(images).shape[:-3]
    assert out.isfinite().all()


def test_each_image_is_read_by_itself_also_in_training() -> None:
    encoder = Cells(3, 5, widths=(4, 6)).train()
    images = torch.randn(4, 3, 8, 8) * torch.tensor([1.0, 10.0, 100.0, 1e3]).view(4, 1, 1, 1)
    torch.testing.assert_close(encoder(images), torch.stack([encoder(image) for image in images]))


def test_a_cell_reads_its_own_place_and_as_much_of_every_neighbour() -> None:
    images = torch.randn(200, 1, 32, 32)
    marked = images.clone()
    marked[..., 8:12, 20:24] *= -1  # all of cell (2, 5); the norm of an image stays
    change = torch.zeros(8, 8)
    with torch.no_grad():
        for _ in range(20):
            encoder = Cells(1, 5, widths=(4, 6))
            change += (encoder(marked) - encoder(images)).square().sum(-1).mean(0)
    own, across, down = change[2, 5], change[2, [4, 6]], change[[1, 3], 5]
    assert own > 1.5 * max(across.max(), down.max())
    assert min(across.min() / across.max(), down.min() / down.max()) > 0.8
    assert change[:, [0, 1, 2, 3, 7]].max() < 0.1 * own


def test_under_vmap_values_are_the_same() -> None:
    encoder, images = Cells(3, 5, widths=(4, 6)), torch.randn(4, 3, 8, 8)
    torch.testing.assert_close(torch.vmap(encoder)(images), encoder(images))


@pytest.mark.usefixtures("as_a_user_runs_it")
@pytest.mark.parametrize(
    ("context", "words"),
    [
        (torch.zeros(8, 8), r"Cells: expected \(\*contexts, 3, height, width\), got \(8, 8\)"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"takes floating-point tensors, got torch\.uint8"),
        (torch.full((3, 1, 1), torch.nan), r"not finite at \[0, 0, 0\]"),
    ],
)
def test_contexts_that_are_no_images(context: torch.Tensor, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        Cells(3, 5, widths=(4, 6))(context)


def test_a_network_without_widths() -> None:
    with pytest.raises(ConfigError, match=r"Cells needs at least one width, .* cells of 4 pixels"):
        Cells(3, 5, widths=())


def test_frozen_it_still_says_that_it_adds_context_dimensions() -> None:
    frozen = Frozen(Cells(3, 5, widths=(4,)))
    assert frozen.adds_contexts == Cells.adds_contexts == 2
    assert frozen(torch.randn(2, 3, 4, 4)).shape == (2, 2, 2, 5)


def test_the_last_map_keeps_the_scale() -> None:
    torch.manual_seed(0)
    encoder, x = Cells(3, 200, widths=(4, 100)), torch.randn(300, 100)
    assert encoder.out(x).square().mean().item() == pytest.approx(1, rel=0.15)
