import pytest
import torch
from torch import nn

from hyperdnn.nn import channels

LAYERS = [
    (nn.Linear(4, 7), (2, 3, 4)),
    (nn.Conv1d(4, 7, 3), (4, 8)),
    (nn.Conv2d(4, 7, 3), (2, 4, 8, 8)),
    (nn.ConvTranspose2d(4, 7, 3), (4, 8, 8)),
    (nn.BatchNorm1d(7), (2, 7)),
    (nn.BatchNorm1d(7), (2, 7, 5)),
    (nn.BatchNorm2d(7), (2, 7, 5, 4)),
    (nn.InstanceNorm1d(7), (7, 5)),
    (nn.InstanceNorm2d(7), (2, 7, 5, 4)),
    (nn.GroupNorm(7, 7), (2, 7, 5, 4)),
    (nn.LayerNorm(7), (2, 5, 7)),
    (nn.RMSNorm(7), (7,)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_a_layer_says_where_its_channels_are(layer: nn.Module, shape: tuple[int, ...]) -> None:
    found = channels(layer)
    assert found is not None
    features, dim = found
    assert (features, layer(torch.randn(shape)).shape[dim]) == (7, 7)


@pytest.mark.parametrize("layer", [nn.Embedding(5, 7), nn.EmbeddingBag(5, 7)])
def test_an_embedding_too(layer: nn.Module) -> None:
    assert channels(layer) == (7, -1)
    assert layer(torch.tensor([[1, 2]])).shape[-1] == 7


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.LSTM(3, 7), nn.LayerNorm((3, 7)), nn.Sequential(nn.Linear(3, 7))])
def test_others_do_not(layer: nn.Module) -> None:
    assert channels(layer) is None
