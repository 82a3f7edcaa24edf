import pytest
import torch

from hyperdnn.encoders import Set
from hyperdnn.errors import ConfigError, ContextError


@pytest.fixture
def encoder() -> Set:
    return Set(3, 5, hidden=8, num_heads=2)


def test_order_does_not_matter(encoder: Set) -> None:
    sets = torch.randn(4, 6, 3)
    torch.testing.assert_close(encoder(sets[:, torch.randperm(6)]), encoder(sets))


def test_elements_matter(encoder: Set) -> None:
    sets = torch.randn(6, 3)
    for i in range(6):
        changed = sets.clone()
        changed[i] += 1
        assert not torch.allclose(encoder(changed), encoder(sets), atol=1e-4)


def test_few_elements_are_told_from_many(encoder: Set) -> None:
    one = torch.randn(1, 3)
    assert not torch.allclose(encoder(one), encoder(one.expand(5, 3)), atol=1e-4)


@pytest.mark.parametrize("fill", [0.0, 1e30, float("nan")])
def test_masked_places_do_not_matter(encoder: Set, fill: float) -> None:
    sets = torch.randn(2, 6, 3)
    mask = torch.tensor([[True, False, True, True, False, False], [True] * 6])
    filled = torch.where(mask.unsqueeze(-1), sets, fill).requires_grad_()
    out = encoder((filled, mask))
    torch.testing.assert_close(out[0], encoder(sets[0, mask[0]]))
    torch.testing.assert_close(out[1], encoder(sets[1]))
    out.sum().backward()
    assert not filled.grad[~mask].any()
    assert all(p.grad.isfinite().all() for p in encoder.parameters())


def test_an_empty_set_has_features_of_its_own(encoder: Set) -> None:
    empty = encoder(torch.empty(0, 3))
    assert empty.isfinite().all()
    torch.testing.assert_close(encoder(torch.empty(2, 0, 3)), empty.expand(2, 5))
    masked = encoder((torch.randn(4, 3), torch.zeros(4, dtype=torch.bool)))
    torch.testing.assert_close(masked, empty)


def test_an_attention_head_can_pick_one_element() -> None:
    encoder = Set(3, 8, hidden=8, num_heads=1)
    with torch.no_grad():
        encoder.out.weight.copy_(torch.eye(8))
        encoder.out.bias.zero_()
        encoder.queries.weight.mul_(1e4)
    sets = torch.randn(6, 3)
    rows = torch.cat([encoder.layers(sets), encoder.nothing[None]])
    picked = rows[encoder.queries(rows).argmax()]
    torch.testing.assert_close(encoder(sets), picked)


def test_sets_start_as_different_as_they_are() -> None:
    encoder = Set(8, 64)
    alike, shifted = torch.randn(256, 10, 8), torch.randn(256, 10, 8) + torch.randn(256, 1, 8)
    assert 0.1 < encoder(alike).std(0).mean() < encoder(shifted).std(0).mean() < 2


def test_under_vmap_values_are_the_same(encoder: Set) -> None:
    sets, mask = torch.randn(4, 6, 3), torch.rand(4, 6) > 0.5
    torch.testing.assert_close(torch.vmap(lambda s, m: encoder((s, m)))(sets, mask), encoder((sets, mask)))


@pytest.mark.usefixtures("as_a_user_runs_it")
@pytest.mark.parametrize(
    ("context", "words"),
    [
        (torch.zeros(3), r"Set: expected \(\*contexts, n, 3\), got \(3,\)"),
        (torch.zeros(2, 4), r"Set: expected \(\*contexts, n, 3\), got \(2, 4\)"),
        (torch.full((2, 3), torch.inf), r"not finite at \[0, 0\]"),
        (torch.zeros(2, 3, dtype=torch.int64), r"takes floating-point tensors, got torch\.int64"),
        ([[0.0, 0.0, 0.0]], r"takes a tensor \(\*contexts, n, 3\), got list"),
        ((torch.zeros(2, 3), torch.ones(3, dtype=torch.bool)), r"a boolean mask \(2,\), got torch\.bool \(3,\)"),
        ((torch.zeros(2, 3), torch.ones(2)), r"expected a boolean mask \(2,\), got torch\.float32 \(2,\)"),
        ((torch.zeros(2, 3), [True, True]), "Set takes tensors .*got Tensor and list"),
    ],
)
def test_contexts_that_are_no_sets(encoder: Set, context: object, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        encoder(context)


def test_heads_that_do_not_divide_the_width() -> None:
    with pytest.raises(ConfigError, match="num_heads=3 does not divide hidden=8"):
        Set(3, 5, hidden=8, num_heads=3)
