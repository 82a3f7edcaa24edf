import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, heads
from hyperdnn.encoders import Join, Noise, Table, Vector, WeightedSum
from hyperdnn.errors import ConfigError, ContextError


@pytest.mark.parametrize("contexts", [(), (1,), (4,), (0,), (2, 3)])
def test_joined_features_stand_side_by_side(contexts: tuple[int, ...]) -> None:
    table, vector = Table(5, 2), Vector(3)
    join = Join(table, vector)
    index, x = torch.randint(0, 5, contexts), torch.randn(*contexts, 3)
    assert join.features == 5
    assert torch.equal(join((index, x)), torch.cat([table(index), x], dim=-1))


def test_joins_nest() -> None:
    join = Join(Join(Table(5, 2), Vector(3)), Noise(4))
    out = join(((torch.arange(2), torch.ones(2, 3)), torch.zeros(2, 4)))
    assert out.shape == (2, join.features) == (2, 9)


def test_a_sum_starts_as_the_mean_and_learns_its_shares() -> None:
    table = Table(5, 3)
    mixed = WeightedSum(table, Vector(3))
    index, x = torch.tensor([1, 4]), torch.randn(2, 3)
    torch.testing.assert_close(mixed((index, x)), (table(index) + x) / 2)
    mixed((index, x)).sum().backward()
    torch.testing.assert_close(mixed.shares.grad, torch.stack([table(index).sum(), x.sum()]))


def test_shares_may_be_given_and_kept() -> None:
    mixed = WeightedSum(Vector(3), Vector(3), shares=[2.0, -1.0])
    mixed.shares.requires_grad_(False)
    a, b = torch.randn(4, 3), torch.randn(4, 3)
    torch.testing.assert_close(mixed((a, b)), 2 * a - b)
    assert not mixed((a, b)).requires_grad


@pytest.mark.usefixtures("as_a_user_runs_it")
@pytest.mark.parametrize("part", [Join, WeightedSum])
@pytest.mark.parametrize(
    ("context", "words"),
    [
        (torch.zeros(2, 3), r"takes a tuple of 2 contexts, one for each encoder, got Tensor"),
        ((torch.zeros(3),), r"takes a tuple of 2 contexts, one for each encoder, got 1"),
        (
            (torch.zeros(3), torch.zeros(4, 3)),
            r"must have the same context dimensions, got \[\(\), \(4,\)\]: expand them",
        ),
        ((torch.zeros(3), torch.zeros(4)), r"Vector: expected \(\*contexts, 3\), got \(4,\)"),
    ],
)
def test_contexts_that_do_not_fit(part: type[Join], context: object, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        part(Vector(3), Vector(3))(context)


@pytest.mark.parametrize("part", [Join, WeightedSum])
def test_encoders_that_do_not_fit(part: type[Join]) -> None:
    with pytest.raises(ConfigError, match=f"{part.__name__} needs at least one encoder"):
        part()
    with pytest.raises(ConfigError, match=rf"{part.__name__}: Linear does not declare its features\. Wrap it"):
        part(Vector(3), nn.Linear(3, 3))


def test_a_sum_of_unequal_widths_or_shares() -> None:
    with pytest.raises(ConfigError, match=r"encoders of equal width, got features of \[3, 4\]: use encoders\.Join"):
        WeightedSum(Vector(3), Vector(4))
    with pytest.raises(ConfigError, match="expected 2 shares, one for each encoder, got 1"):
        WeightedSum(Vector(3), Vector(3), shares=[1.0])


def test_a_model_of_joined_contexts_runs_trains_and_is_saved(tmp_path: object) -> None:
    def encoder() -> Join:
        return Join(Table(4, 3), Vector(2))

    target = hd.Target(nn.Linear(3, 2))
    head = heads.FullHead(8, target.layout)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=encoder(), body=bodies.MLP(5, 8), head=head))
    context: tuple[Tensor, ...] = (torch.arange(4), torch.randn(4, 2))
    x = torch.randn(4, 6, 3)
    out = model(x, context=context)
    assert out.shape == (4, 6, 2)
    torch.testing.assert_close(out[2], model(x[2], context=(context[0][2], context[1][2])))
    out.sum().backward()
    assert all(row.grad is not None for row in model.hypernet.encoder.encoders[0].rows)
    model.save_pretrained(tmp_path)
    again = hd.HyperDNN.from_pretrained(tmp_path, target=nn.Linear(3, 2), encoder=encoder())
    assert torch.equal(again(x, context=context), out)
