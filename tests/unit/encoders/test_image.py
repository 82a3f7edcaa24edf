import pytest
import torch
from torch import nn

from hyperdnn.encoders import Image
from hyperdnn.errors import ConfigError, ContextError


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (8, 8), (33, 17)])
@pytest.mark.parametrize("contexts", [(), (1,), (0,), (2, 3)])
def test_images_of_any_size_and_number(contexts: tuple[int, ...], size: tuple[int, int]) -> None:
    out = Image(3, 5, widths=(4, 6))(torch.randn(*contexts, 3, *size))
    assert out.shape == (*contexts, 5)
    assert out.isfinite().all()


def test_each_image_is_encoded_by_itself_also_in_training() -> None:
    encoder = Image(3, 5, widths=(4, 6)).train()
    images = torch.randn(4, 3, 8, 8) * torch.tensor([1.0, 10.0, 100.0, 1e3]).view(4, 1, 1, 1)
    torch.testing.assert_close(encoder(images), torch.stack([encoder(image) for image in images]))


def test_features_neither_die_nor_explode_with_depth() -> None:
    out = Image(3, 64, widths=(16,) * 6)(torch.randn(32, 3, 64, 64))
    assert 0.1 < out.std(0).mean() + out.mean(0).abs().mean() < 3


def test_it_learns_to_tell_patterns() -> None:
    torch.manual_seed(0)
    encoder = Image(1, 2, widths=(8, 8))
    optimizer = torch.optim.Adam(encoder.parameters(), lr=0.01)
    labels = torch.arange(32) % 2
    stripes = torch.arange(8).remainder(2).float().expand(8, 8)
    for _ in range(60):
        images = torch.where(labels.bool().view(-1, 1, 1, 1), stripes, stripes.T) + 0.3 * torch.randn(32, 1, 8, 8)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(encoder(images), labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_under_vmap_values_are_the_same() -> None:
    encoder, images = Image(3, 5, widths=(4, 6)), torch.randn(4, 3, 8, 8)
    torch.testing.assert_close(torch.vmap(encoder)(images), encoder(images))


@pytest.mark.usefixtures("as_a_user_runs_it")
@pytest.mark.parametrize(
    ("context", "words"),
    [
        (torch.zeros(8, 8), r"Image: expected \(\*contexts, 3, height, width\), got \(8, 8\)"),
        (torch.zeros(1, 8, 8), r"Image: expected \(\*contexts, 3, height, width\), got \(1, 8, 8\)"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"takes floating-point tensors, got torch\.uint8"),
        (torch.full((3, 1, 1), torch.nan), r"not finite at \[0, 0, 0\]"),
    ],
)
def test_contexts_that_are_no_images(context: torch.Tensor, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        Image(3, 5, widths=(4, 6))(context)


def test_a_network_without_widths() -> None:
    with pytest.raises(ConfigError, match="Image needs at least one width"):
        Image(3, 5, widths=())
