import pytest
import torch

from hyperdnn import ParamSpec
from hyperdnn.errors import ConfigError
from hyperdnn.targets import LowRank, Replace, Residual, Scale

MATRIX = ParamSpec(name="a.weight", shape=(6, 4), kind="linear", init_std=0.3, init_mean=0.1, aliases=("b.weight",))
VECTOR = ParamSpec(name="a.bias", shape=(6,), kind="bias", init_std=0.3)
FILTER = ParamSpec(name="c.weight", shape=(6, 2, 3, 3), kind="convolution", init_std=0.3)


def test_replace_generates_the_parameter_itself() -> None:
    assert Replace().specs(MATRIX) == (MATRIX,)
    generated = torch.randn(2, 6, 4)
    assert Replace()([generated], None, (6, 4)) is generated


@pytest.mark.parametrize("combine", [Residual(), Scale()])
def test_a_change_starts_at_zero_and_has_no_alias(combine: Residual | Scale) -> None:
    (spec,) = combine.specs(MATRIX)
    assert (spec.name, spec.shape, spec.kind) == ("a.weight", (6, 4), "change")
    assert (spec.init_mean, spec.init_std, spec.aliases) == (0.0, 0.0, ())


def test_residual_adds_and_scale_multiplies() -> None:
    generated, base = torch.randn(2, 6, 4), torch.randn(6, 4)
    torch.testing.assert_close(Residual()([generated], base, (6, 4)), base + generated)
    torch.testing.assert_close(Scale()([generated], base, (6, 4)), base * (1 + generated))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("combine", [Residual(), Scale(), LowRank(2)])
def test_no_change_is_the_base_exactly(combine: Residual | Scale | LowRank, dtype: torch.dtype) -> None:
    base = torch.randn(6, 4).to(dtype)
    generated = [torch.randn(s.shape).to(dtype) * (s.init_std > 0) for s in combine.specs(MATRIX)]
    assert torch.equal(combine(generated, base, (6, 4)), base)


@pytest.mark.parametrize("spec", [MATRIX, FILTER], ids=["matrix", "filter"])
def test_low_rank_has_two_factors_of_which_the_second_starts_at_zero(spec: ParamSpec) -> None:
    left, right = LowRank(2).specs(spec)
    columns = spec.numel // 6
    assert (left.name, left.shape, left.init_std) == (f"{spec.name}.left", (6, 2), pytest.approx(6**-0.5))
    assert (right.name, right.shape, right.init_std) == (f"{spec.name}.right", (columns, 2), 0.0)
    assert {left.kind, right.kind} == {"change"}
    assert left.aliases == right.aliases == ()


@pytest.mark.parametrize("contexts", [(), (3,), (2, 3)])
def test_low_rank_builds_base_and_product(contexts: tuple[int, ...]) -> None:
    base, left, right = torch.randn(6, 2, 3, 3), torch.randn(*contexts, 6, 2), torch.randn(*contexts, 18, 2)
    out = LowRank(2)([left, right], base, (6, 2, 3, 3))
    expected = base + torch.einsum("...ir,...jr->...ij", left, right).reshape(*contexts, 6, 2, 3, 3)
    torch.testing.assert_close(out, expected)
    assert torch.linalg.matrix_rank((out - base).reshape(*contexts, 6, 18)).max() <= 2


def test_the_first_gradient_of_low_rank_is_not_zero() -> None:
    left, right = torch.randn(6, 2), torch.zeros(4, 2, requires_grad=True)
    LowRank(2)([left, right], torch.randn(6, 4), (6, 4)).square().sum().backward()
    assert right.grad.abs().max() > 0


def test_low_rank_of_a_vector_is_a_plain_change() -> None:
    (spec,) = LowRank(2).specs(VECTOR)
    assert (spec.name, spec.shape, spec.init_std) == ("a.bias", (6,), 0.0)
    generated, base = torch.randn(3, 6), torch.randn(6)
    torch.testing.assert_close(LowRank(2)([generated], base, (6,)), base + generated)


@pytest.mark.parametrize("rank", [-1, 0, 5])
def test_a_rank_fits_the_matrix(rank: int) -> None:
    with pytest.raises(ConfigError, match=rf"LowRank\({rank}\): 'a\.weight' is a 6 x 4 matrix, .* from 1 to 4"):
        LowRank(rank).specs(MATRIX)


def test_combines_are_values() -> None:
    assert LowRank(2) == LowRank(2) != LowRank(3)
    assert Residual() == Residual()
    assert [c.needs_base for c in (Replace(), Residual(), Scale(), LowRank(1))] == [False, True, True, True]
