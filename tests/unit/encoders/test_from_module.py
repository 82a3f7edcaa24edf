import pytest
import torch
from torch import nn

from hyperdnn.encoders import FromModule
from hyperdnn.errors import ConfigError, ContextError


@pytest.mark.parametrize("contexts", [(), (1,), (4,), (2, 3)])
def test_context_dimensions_are_folded_into_one_batch(contexts: tuple[int, ...]) -> None:
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 9, 6))
    images = torch.randn(*contexts, 3, 5, 5)
    out = FromModule(trunk, 6, context_dims=3)(images)
    assert out.shape == (*contexts, 6)
    torch.testing.assert_close(out.reshape(-1, 6), trunk(images.reshape(-1, 3, 5, 5)))


def test_batch_normalisation_sees_all_contexts_at_once() -> None:
    norm = nn.BatchNorm1d(3, affine=False)
    out = FromModule(norm, 3)(torch.randn(4, 5, 3) + 7)
    torch.testing.assert_close(out.mean((0, 1)), torch.zeros(3), atol=1e-5, rtol=0)
    assert norm.num_batches_tracked == 1


def test_contexts_without_dimensions_may_be_indices() -> None:
    out = FromModule(nn.Embedding(5, 4), 4, context_dims=0)(torch.tensor([[1, 2, 0]]))
    assert out.shape == (1, 3, 4)


def test_a_context_of_too_few_dimensions() -> None:
    with pytest.raises(ContextError, match=r"a context of Conv2d has 3 dimensions, got \(5, 5\)"):
        FromModule(nn.Conv2d(3, 4, 3), 6, context_dims=3)(torch.randn(5, 5))


@pytest.mark.parametrize("module", [nn.Linear(3, 5), nn.Unflatten(1, (3, 1))], ids=["width", "dimensions"])
def test_a_module_must_put_out_what_was_declared(module: nn.Module) -> None:
    with pytest.raises(ConfigError, match=r"expected output \(2, 6\), got \(2,"):
        FromModule(module, 6)(torch.randn(2, 3))
