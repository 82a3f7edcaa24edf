import pytest
import torch
from torch import nn

from hyperdnn.nn import SelfAttention


@pytest.mark.parametrize("heads", [1, 2, 8])
def test_it_is_torchs_attention(heads: int) -> None:
    ours, theirs = SelfAttention(8, heads), nn.MultiheadAttention(8, heads, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.project.weight)
        theirs.out_proj.load_state_dict(ours.join.state_dict())
    rows = torch.randn(3, 5, 8)
    torch.testing.assert_close(ours(rows), theirs(rows, rows, rows)[0])


@pytest.mark.parametrize("contexts", [(), (1,), (4,), (2, 3), (0,)], ids=str)
def test_any_number_of_context_dimensions(contexts: tuple[int, ...]) -> None:
    layer, rows = SelfAttention(8, 2), torch.randn(*contexts, 5, 8)
    out = layer(rows)
    assert out.shape == rows.shape
    for mine, alone in zip(out.reshape(-1, 5, 8), rows.reshape(-1, 5, 8), strict=True):
        torch.testing.assert_close(mine, layer(alone))


def test_scores_start_with_unit_variance() -> None:
    torch.manual_seed(0)
    query, key, _ = SelfAttention(64, 1).project(torch.randn(100, 64)).chunk(3, -1)
    assert (query @ key.T / 8).var().item() == pytest.approx(1, rel=0.2)
