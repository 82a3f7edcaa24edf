"""A model that was saved and loaded is the same model."""

import copy
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, targets

from .loop import assert_same
from .subjects import Tied


@dataclass(frozen=True)
class Saved:
    """How to make a model and a fresh target for it, and what it runs on."""

    make: Any
    net: Any
    x: Any
    context: Any


def _mlp():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def _normalised():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def _assembled(head, *, body=None, combine=None, net=_mlp, **options):
    target = hd.Target(net(), combine=combine, **options)
    made = head(target.layout)
    slots = None if made.slots is None else encoders.Slots(made.slots, 3)
    body = body(8 if slots else 5) if body else bodies.MLP(8 if slots else 5, 7, 6, activation="silu")
    hypernet = hd.Hypernet(encoder=encoders.Table(3, 5, std=0.5), slots=slots, body=body, head=made)
    return hd.HyperDNN(target, hypernet)


def _grown():
    model = hd.HyperDNN.for_tasks(_mlp(), 1)
    model.hypernet.encoder.grow(2)
    return model


def _linear(width):
    return bodies.Linear(width, 6)


X, IDS = torch.randn(3, 5, 3), torch.arange(3)
TOKENS = torch.tensor([[0, 1], [2, 3], [4, 0]])
MODELS = {
    "tasks": Saved(lambda: hd.HyperDNN.for_tasks(_mlp(), 3), _mlp, X, IDS),
    "tasks-grown": Saved(_grown, _mlp, X, IDS),
    "tasks-from-target": Saved(lambda: hd.HyperDNN.for_tasks(_mlp(), 3, init="target"), _mlp, X, IDS),
    "vectors": Saved(lambda: hd.HyperDNN.for_vectors(_mlp(), 2, select="2.*"), _mlp, X, torch.ones(3, 2)),
    "noise": Saved(lambda: hd.HyperDNN.for_noise(_mlp(), 2), _mlp, X, torch.ones(3, 2)),
    "full": Saved(lambda: _assembled(lambda x: heads.FullHead(6, x, normalize=False)), _mlp, X, IDS),
    "multi": Saved(lambda: _assembled(lambda x: heads.MultiHead(6, x), body=_linear), _mlp, X, IDS),
    "chunked": Saved(lambda: _assembled(lambda x: heads.ChunkedHead(6, x, 5)), _mlp, X, IDS),
    "chunked-plain": Saved(lambda: _assembled(lambda x: heads.ChunkedHead(6, x, 5, signs=False)), _mlp, X, IDS),
    "layers": Saved(lambda: _assembled(lambda x: heads.ComponentHead(6, x)), _mlp, X, IDS),
    "rows": Saved(lambda: _assembled(lambda x: heads.ComponentHead(6, x, component="row")), _mlp, X, IDS),
    "residual": Saved(lambda: _assembled(lambda x: heads.FullHead(6, x), combine=targets.Residual()), _mlp, X, IDS),
    "scale": Saved(
        lambda: _assembled(lambda x: heads.FullHead(6, x), combine=targets.Scale(), train_base=True), _mlp, X, IDS
    ),
    "low-rank": Saved(
        lambda: _assembled(lambda x: heads.ChunkedHead(6, x, 5), combine=targets.LowRank(1)), _mlp, X, IDS
    ),
    "batchnorm-shared": Saved(
        lambda: _assembled(lambda x: heads.FullHead(6, x), net=_normalised, buffers="shared"), _normalised, X, IDS
    ),
    "batchnorm-frozen": Saved(
        lambda: _assembled(lambda x: heads.FullHead(6, x), net=_normalised, buffers="frozen"), _normalised, X, IDS
    ),
    "tied": Saved(lambda: hd.HyperDNN.for_tasks(Tied(), 3), Tied, TOKENS, IDS),
    "tied-kept": Saved(lambda: hd.HyperDNN.for_tasks(Tied(), 3, select="middle.*"), Tied, TOKENS, IDS),
    "recurrent": Saved(lambda: hd.HyperDNN.for_tasks(nn.GRUCell(3, 4), 3), lambda: nn.GRUCell(3, 4), X, IDS),
}


def _scrambled(saved, dtype):
    """Nothing at its initial value: what is not saved will be seen."""
    model = saved.make().to(dtype)
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                tensor.uniform_(0.1, 1)
    return model


def _moved(x, dtype):
    return x.to(dtype) if x.is_floating_point() else x


def _reloaded(model, saved, folder, **parts):
    model.save_pretrained(folder)
    return hd.HyperDNN.from_pretrained(folder, target=saved.net(), **parts)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_loaded_is_saved(name, dtype, tmp_path):
    saved = MODELS[name]
    model = _scrambled(saved, dtype).eval()
    loaded = _reloaded(model, saved, tmp_path).eval()
    assert_same(loaded.state_dict(), model.state_dict())
    x, context = _moved(saved.x, dtype), _moved(saved.context, dtype)
    assert_same(loaded(x, context=context), model(x, context=context))


@pytest.mark.parametrize("name", MODELS)
def test_loaded_goes_on_training_alike(name, tmp_path):
    saved = MODELS[name]
    model = _scrambled(saved, torch.float32)
    loaded = _reloaded(model, saved, tmp_path)
    trained = {n: p.requires_grad for n, p in model.named_parameters()}
    assert {n: p.requires_grad for n, p in loaded.named_parameters()} == trained
    for one in (model, loaded):
        optimizer = torch.optim.SGD([p for p in one.parameters() if p.requires_grad], lr=0.01)
        for _ in range(2):
            optimizer.zero_grad()
            one(saved.x, context=saved.context).square().mean().backward()
            optimizer.step()
    assert_same(loaded.state_dict(), model.state_dict())


def test_noise_is_drawn_in_the_loaded_type(tmp_path):
    saved = MODELS["noise"]
    loaded = _reloaded(saved.make().double(), saved, tmp_path)
    sample = loaded.hypernet.encoder.sample(3)
    assert sample.dtype == torch.float64
    assert loaded(X.double(), context=sample).shape == (3, 5, 2)


class _Reader(nn.Module):
    features = 4

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(2, 4)

    def forward(self, context):
        return self.map(context)


@pytest.mark.parametrize("make", [_Reader, lambda: encoders.FromModule(nn.Linear(2, 4), 4)], ids=["own", "from-module"])
def test_parts_of_the_users_own_are_passed_again(make, tmp_path):
    target = hd.Target(_mlp())
    hypernet = hd.Hypernet(encoder=make(), body=bodies.MLP(4, 6), head=heads.FullHead(6, target.layout))
    model = hd.HyperDNN(target, hypernet)
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=_mlp(), encoder=make())
    assert_same(loaded(X, context=torch.ones(3, 2)), model(X, context=torch.ones(3, 2)))


def test_a_state_dict_alone_is_enough_for_an_equal_model():
    for name, saved in MODELS.items():
        model = _scrambled(saved, torch.float32).eval()
        other = saved.make().eval()
        other.load_state_dict(copy.deepcopy(model.state_dict()), strict=True)
        assert_same(other(saved.x, context=saved.context), model(saved.x, context=saved.context)), name
