import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, inspect
from hyperdnn.errors import ContextError


def model(encoder: nn.Module) -> hd.HyperDNN:
    torch.manual_seed(0)
    target = hd.Target(nn.Linear(3, 2))
    body = bodies.MLP(encoder.features, 6)
    return hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=body, head=heads.FullHead(6, target.layout)))


VECTORS = {
    "vector": (encoders.Vector(3), torch.randn(4, 3)),
    "simplex": (encoders.Simplex(2), torch.tensor([[0.25, 0.75], [1.0, 0.0]])),
    "noise": (encoders.LearnedNoise(3), torch.randn(4, 3)),
    "hyperparameters": (encoders.ScaledVector([(1e-4, 1e-1), (0.0, 1.0)], log=[0]), torch.tensor([[1e-2, 0.5]])),
    "circle": (encoders.QuarterCircle([(0.0, 1.0)]), torch.tensor([[0.3], [0.4]])),
    "angles": (encoders.Fourier(2, 5), torch.randn(4, 2)),
    "frozen": (encoders.Frozen(encoders.Vector(3)), torch.randn(2, 3)),
    "own module": (encoders.FromModule(nn.Linear(4, 5), 5), torch.randn(2, 4)),
}

OTHERS = {
    "index": (encoders.Table(4, 5), torch.tensor([2, 0, 2]), (3, 5)),
    "image": (encoders.Image(1, 5, widths=(4,)), torch.rand(2, 1, 8, 8), (2, 5)),
    "trunk": (encoders.FromModule(nn.Flatten(), 4, context_dims=3), torch.rand(2, 1, 2, 2), (2, 4)),
    "two": (encoders.Join(encoders.Table(3, 2), encoders.Vector(3)), (torch.arange(3), torch.randn(3, 3)), (3, 5)),
    "cells": (encoders.Cells(1, 5, widths=(4,)), torch.rand(2, 1, 4, 6), (2, 2 * 3 * 5)),
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_has_its_own_numbers(name):
    encoder, context = VECTORS[name]
    m = model(encoder)
    found = inspect.coordinates(m, context)
    assert found.own
    torch.testing.assert_close(found.rows, context)
    torch.testing.assert_close(found.generate(found.rows), m.generate(context))


@pytest.mark.parametrize("name", OTHERS)
def test_other_contexts_have_those_of_their_features(name):
    encoder, context, shape = OTHERS[name]
    m = model(encoder)
    found = inspect.coordinates(m, context)
    assert not found.own
    assert found.rows.shape == shape
    torch.testing.assert_close(found.generate(found.rows), m.generate(context))


@settings(deadline=None, max_examples=20)
@given(dims=st.lists(st.integers(0, 3), max_size=3), own=st.booleans())
def test_context_dimensions_stay(dims, own):
    m = model(encoders.Vector(4) if own else encoders.Table(3, 4))
    context = torch.randn(*dims, 4) if own else torch.randint(3, dims)
    found = inspect.coordinates(m, context)
    assert found.rows.shape == (*dims, 4)
    assert found.own is own
    assert found.generate(found.rows)["weight"].shape == (*dims, 2, 3)


def test_weights_change_where_coordinates_move():
    m = model(encoders.Table(3, 5))
    found = inspect.coordinates(m, torch.arange(2))
    middle = found.generate(found.rows.mean(0))
    assert middle["weight"].shape == (2, 3)
    torch.testing.assert_close(middle, m.hypernet.from_features(m.hypernet.encoder(torch.arange(2)).mean(0)))
    _, change = torch.func.jvp(found.generate, (found.rows[0],), (torch.eye(5)[1],))
    assert change["weight"].abs().sum() > 0


def test_nothing_of_the_model_is_disturbed():
    m = model(encoders.FromModule(nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.BatchNorm1d(5)), 5, context_dims=3))
    m.train()
    before = {name: tensor.clone() for name, tensor in m.state_dict().items()}
    context = torch.rand(4, 1, 2, 2)
    random = torch.get_rng_state()
    found = inspect.coordinates(m, context)
    assert m.training
    assert torch.equal(torch.get_rng_state(), random)
    assert not found.rows.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in m.state_dict().items())


class Tokens(nn.Module):
    """One token for each number."""

    features = 1
    tokens = True

    def __init__(self, *, mask: bool) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, context: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        rows = context.float().unsqueeze(-1)
        return (rows, torch.ones_like(context, dtype=torch.bool)) if self.mask else rows


def reader(*, mask: bool) -> hd.HyperDNN:
    torch.manual_seed(0)
    target = hd.Target(nn.Linear(3, 2))
    head = heads.ChunkedHead(8, target.layout, 4)
    body = bodies.CrossAttention(8, 1, 8, heads=1)
    return hd.HyperDNN(
        target, hd.Hypernet(encoder=Tokens(mask=mask), slots=encoders.Slots(head.slots, 8), body=body, head=head)
    )


def test_tokens_are_one_long_row():
    m = reader(mask=False)
    context = torch.randint(5, (2, 7))
    found = inspect.coordinates(m, context)
    assert found.rows.shape == (2, 7)
    torch.testing.assert_close(found.generate(found.rows), m.generate(context))


def test_tokens_with_a_mask_have_none():
    with pytest.raises(ContextError, match="Tokens gives tokens with a mask: contexts of different lengths"):
        inspect.coordinates(reader(mask=True), torch.randint(5, (2, 7)))


class Own(nn.Module):
    """A hypernet in one piece."""

    def __init__(self, layout: hd.ParamLayout) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, context: Tensor) -> dict[str, Tensor]:
        rows = context.float().flatten(1)[:, :1]
        return self.layout.split(rows.expand(-1, self.layout.numel))


def test_a_hypernet_in_one_piece_has_those_of_a_vector_only():
    target = hd.Target(nn.Linear(3, 2))
    m = hd.HyperDNN(target, Own(target.layout))
    context = torch.randn(4, 3)
    found = inspect.coordinates(m, context)
    assert found.own
    torch.testing.assert_close(found.generate(found.rows), m.generate(context))
    for other in (torch.ones(4, 2, 2), torch.ones(4, 3, dtype=torch.long)):
        with pytest.raises(ContextError, match=r"Own has no encoder.*Build it as Hypernet\(encoder="):
            inspect.coordinates(m, other)
