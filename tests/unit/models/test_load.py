from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, init, targets
from hyperdnn.errors import ConfigError


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def chunked() -> hd.HyperDNN:
    target = hd.Target(net(), "*.weight", combine=targets.LowRank(1), train_base=True)
    head = heads.ChunkedHead(8, target.layout, 5, init=init.naive)
    slots, body = encoders.Slots(head.slots, 2), bodies.MLP(7, 6, 8, activation="elu")
    return hd.HyperDNN(target, hd.Hypernet(encoder=encoders.Table(3, 5), slots=slots, body=body, head=head))


def by_rows() -> hd.HyperDNN:
    target = hd.Target(net())
    head = heads.ComponentHead(8, target.layout, component="row")
    slots = encoders.Slots(head.slots, 2)
    return hd.HyperDNN(
        target, hd.Hypernet(encoder=encoders.Table(3, 5), slots=slots, body=bodies.Linear(7, 8), head=head)
    )


MODELS: dict[str, Callable[[], hd.HyperDNN]] = {
    "full": lambda: hd.HyperDNN.for_tasks(net(), 3),
    "part": lambda: hd.HyperDNN.for_tasks(net(), 3, select="2.*", combine=targets.Residual()),
    "chunked": chunked,
    "rows": by_rows,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_is_the_saved_one(name: str, tmp_path: Path) -> None:
    model, x = MODELS[name](), torch.randn(3, 6, 3)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(str(tmp_path), target=net())
    assert torch.equal(loaded(x, context=torch.arange(3)), model(x, context=torch.arange(3)))
    assert [(n, p.requires_grad) for n, p in loaded.named_parameters()] == [
        (n, p.requires_grad) for n, p in model.named_parameters()
    ]


def test_a_loaded_model_trains_on(tmp_path: Path) -> None:
    model = chunked()
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=net())
    loss = loaded(torch.randn(3, 6, 3), context=torch.arange(3)).square().mean()
    loss.backward()
    torch.optim.SGD(loaded.parameters(), 0.1).step()
    assert all(p.grad is not None for p in loaded.parameters())
    saved = hd.HyperDNN.from_pretrained(tmp_path, target=net())  # training wrote nothing into the file
    assert torch.equal(saved.hypernet.head.linear.weight, model.hypernet.head.linear.weight)


def test_statistics_and_their_policy_come_back(tmp_path: Path) -> None:
    def make() -> nn.Sequential:
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))

    model = hd.HyperDNN.for_tasks(make(), 2, select="2.*", buffers="shared")
    model(torch.randn(2, 6, 3) + 3, context=torch.arange(2))
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=make())
    x = torch.randn(6, 3)
    assert loaded.target.buffers_policy == "shared"
    assert torch.equal(loaded.eval()(x, context=torch.tensor(1)), model.eval()(x, context=torch.tensor(1)))


def test_the_users_parts_are_passed_again(tmp_path: Path) -> None:
    def encoder() -> nn.Module:
        return encoders.FromModule(nn.Linear(9, 5), 5)

    target = hd.Target(net())
    hypernet = hd.Hypernet(encoder=encoder(), body=nn.Linear(5, 8), head=heads.FullHead(8, target.layout))
    model, context, x = hd.HyperDNN(target, hypernet), torch.randn(9), torch.randn(6, 3)
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=net(), encoder=encoder(), body=nn.Linear(5, 8))
    assert torch.equal(loaded(x, context=context), model(x, context=context))
    with pytest.raises(ConfigError, match="the saved body is a Linear of your own"):
        hd.HyperDNN.from_pretrained(tmp_path, target=net(), encoder=encoder())
    with pytest.raises(ConfigError, match="head= was passed, but the saved head is hyperdnn's own"):
        hd.HyperDNN.from_pretrained(
            tmp_path, target=net(), encoder=encoder(), body=nn.Linear(5, 8), head=nn.Linear(8, 3)
        )


class Constant(nn.Module):
    def __init__(self, layout: hd.ParamLayout) -> None:
        super().__init__()
        self.layout = layout
        self.flat = nn.Parameter(torch.randn(layout.numel))

    def forward(self, context: Tensor) -> dict[str, Tensor]:
        return self.layout.split(context[..., None] * self.flat)


def test_a_whole_hypernet_of_the_users_own(tmp_path: Path) -> None:
    target = hd.Target(net())
    model = hd.HyperDNN(target, Constant(target.layout))
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=net(), hypernet=Constant(hd.ParamLayout.of(net())))
    x = torch.randn(6, 3)
    assert torch.equal(loaded(x, context=torch.tensor(2.0)), model(x, context=torch.tensor(2.0)))
    with pytest.raises(ConfigError, match="the saved hypernet is a Constant of your own"):
        hd.HyperDNN.from_pretrained(tmp_path, target=net())


def test_tied_kept_parameters_are_tied_again(tmp_path: Path) -> None:
    """One parameter, or an optimiser would step twice on the same numbers."""

    def make() -> nn.Sequential:
        module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
        module[1].weight = module[0].weight
        return module

    model = hd.HyperDNN.for_tasks(make(), 2, select="2.*")
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=make())
    assert loaded.target.module[0].weight is loaded.target.module[1].weight
    assert len(list(loaded.parameters())) == len(list(model.parameters()))


@pytest.mark.parametrize("make", ["for_tasks", "for_vectors", "for_noise"])
def test_the_number_format_comes_back(make: str, tmp_path: Path) -> None:
    model = getattr(hd.HyperDNN, make)(net(), 3).double()
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=net().double())
    assert {p.dtype for p in loaded.parameters()} == {torch.float64}
    context = loaded.hypernet.encoder.sample(2) if make == "for_noise" else torch.randn(2, 3).double()
    context = torch.arange(2) if make == "for_tasks" else context
    assert loaded(torch.randn(2, 6, 3).double(), context=context).dtype == torch.float64


def test_frozen_rows_stay_frozen(tmp_path: Path) -> None:
    model = hd.HyperDNN.for_tasks(net(), 3)
    model.hypernet.encoder.freeze([0, 2])
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=net())
    assert [row.requires_grad for row in loaded.hypernet.encoder.rows] == [False, True, False]


def test_loading_onto_a_device(tmp_path: Path) -> None:
    hd.HyperDNN.for_tasks(net(), 3).save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=net(), map_location=torch.device("meta"))
    assert all(p.is_meta for p in loaded.parameters())
