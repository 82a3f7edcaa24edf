import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from hyperdnn.encoders import Nodes
from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.layout import Architecture


class Both(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.out = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.conv(x).relu().mean((2, 3)))


def test_a_row_is_its_operation_and_its_shape() -> None:
    arch = Architecture.of(Both())
    encoder = Nodes(Nodes.vocabulary_of([arch]), 6, dtype=torch.float64)
    rows = encoder(arch)
    for depth, (node, row) in enumerate(zip(arch.nodes, rows, strict=True)):
        sides = {"Conv2d": [8, 3, 1, 3, 3], "Linear": [2, 8, 1, 1, 1]}.get(node.operation, [1] * 5)
        rank = {"Conv2d": 4, "Linear": 2}.get(node.operation, 0)
        numbers = torch.tensor([*sides, 16.0**rank], dtype=torch.float64).log() / torch.log(torch.tensor(16.0))
        waves = torch.pi * 100.0 ** (-torch.arange(8, dtype=torch.float64) / 7)
        place = encoder.depths(torch.cat([(depth * waves).sin(), (depth * waves).cos()]))
        embedding = encoder.operations[encoder.vocabulary.index(node.operation)]
        torch.testing.assert_close(row, (embedding + encoder.shapes(numbers) + place) / 2**0.5, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "layer", [nn.Conv3d(2, 3, (1, 2, 3)), nn.Conv1d(2, 3, 5), nn.LayerNorm(4), nn.PReLU(), nn.Identity()]
)
def test_every_shape_has_numbers(layer: nn.Module) -> None:
    arch = Architecture.of(nn.Sequential(layer, nn.Linear(2, 2)))
    rows = Nodes(Nodes.vocabulary_of([arch]), 6)(arch)
    assert rows.shape == (len(arch.nodes), 6)
    assert rows.isfinite().all()


def test_widths_lie_on_a_line() -> None:
    archs = [Architecture.of(Both(width)) for width in (4, 8, 16)]
    encoder = Nodes(Nodes.vocabulary_of(archs), 6)
    small, middle, large = (encoder(arch)[1] for arch in archs)
    torch.testing.assert_close(large - middle, middle - small)


def test_depth_is_the_longest_path() -> None:
    class Short(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(4))

        def forward(self, x: Tensor) -> Tensor:
            y = self.layers[1](self.layers[0](x))
            return self.layers[3](y + x) + self.layers[2](x)

    arch = Architecture.of(Short())
    encoder = Nodes(Nodes.vocabulary_of([arch]), 6)
    rows = dict(zip((node.name for node in arch.nodes), encoder(arch), strict=True))
    assert torch.equal(rows["layers.0"], rows["layers.2"])
    expected = encoder(Architecture.of(nn.Sequential(*(nn.Linear(2, 2) for _ in range(4)))))
    torch.testing.assert_close(rows["layers.3"], expected[4])


def test_equal_layers_of_a_deep_network_are_apart() -> None:
    arch = Architecture.of(nn.Sequential(*(nn.Linear(8, 8) for _ in range(50))))
    rows = Nodes(Nodes.vocabulary_of([arch]), 64)(arch)[1:-1]
    assert torch.pdist(rows).min() > 0.5


def test_rows_start_with_about_unit_variance() -> None:
    torch.manual_seed(0)
    arch = Architecture.of(Both(64))
    assert 0.3 < Nodes(Nodes.vocabulary_of([arch]), 256)(arch).square().mean() < 3


def test_it_keeps_to_what_parts_keep_to() -> None:
    arch = Architecture.of(Both())
    vocabulary = Nodes.vocabulary_of([arch, arch])
    assert vocabulary == ("Conv2d", "Linear", "input", "mean", "output", "relu")
    encoder = Nodes(vocabulary, 6)
    for twin in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert torch.equal(twin(arch), encoder(arch))
    assert encoder.to(torch.bfloat16)(arch).dtype == torch.bfloat16
    assert Nodes(vocabulary, 6, device=torch.device("meta"))(arch).is_meta
    encoder(arch).square().sum().backward()
    assert all(p.grad.any() for p in encoder.parameters())


def test_what_is_not_known_is_refused() -> None:
    arch = Architecture.of(Both())
    words = r"node 'conv' does 'Conv2d', which is not in the vocabulary\. Did you mean 'Conv1d'\?.*vocabulary_of"
    with pytest.raises(ContextError, match=words):
        Nodes(("input", "Conv1d"), 6)(arch)
    with pytest.raises(ConfigError, match=r"a vocabulary of different operations, got \(\)"):
        Nodes((), 6)
    with pytest.raises(ConfigError, match=r"different operations, got \('a', 'a'\)"):
        Nodes(("a", "a"), 6)
