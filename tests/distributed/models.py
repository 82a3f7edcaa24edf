"""Models for two processes, and what one process makes of both shares of data."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads

CONTEXTS = ((0, 1), (1, 2), (0, 2))  # of the two processes in each of three steps; no step uses row 3

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def make_model(kind: str, *, width: int = 5) -> hd.HyperDNN:
    """The same one on all processes, with kept parameters and a table that is never used as a whole."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, width), nn.Linear(width, 2))
    target = hd.Target(net, select=("0.*", "2.*"))
    if kind == "full":
        head: nn.Module = heads.FullHead(6, target.layout)
    else:
        head = heads.ChunkedHead(6, target.layout, target.layout.numel // 3 + 1)
    slots = encoders.Slots(head.slots, 3) if kind == "chunked" else None
    body = bodies.MLP(5 + (3 if slots is not None else 0), 6)
    return hd.HyperDNN(
        target, hd.Hypernet(encoder=encoders.Table(contexts=4, features=5), slots=slots, body=body, head=head)
    )


def shares() -> Tensor:
    """A batch of eight samples for each of two processes."""
    return torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(1))


def train_whole(model: nn.Module, loss: Loss) -> nn.Module:
    """One process: the mean of the losses of both shares."""
    x = shares()
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.1)
    for contexts in torch.tensor(CONTEXTS):
        optimizer.zero_grad()
        both = [loss(model, x[share, None], contexts[share, None]) for share in range(2)]
        torch.stack(both).mean().backward()
        optimizer.step()
    return model


def train_share(model: nn.Module, loss: Loss, rank: int) -> nn.Module:
    """One of two processes: its own share."""
    x = shares()
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.1)
    for contexts in torch.tensor(CONTEXTS):
        optimizer.zero_grad()
        loss(model, x[rank, None], contexts[rank, None]).backward()
        optimizer.step()
    return model


def whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def assert_same(model: nn.Module, expected: nn.Module, *, atol: float = 1e-9) -> None:
    """All parameters are equal, and those without a gradient are the same ones."""
    for (name, parameter), other in zip(model.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(whole(parameter), other, rtol=0, atol=atol, msg=lambda text, n=name: f"{n}: {text}")
        assert (parameter.grad is None) == (other.grad is None), name


def batched(model: nn.Module, x: Tensor, context: Tensor) -> Tensor:
    return model(x, context=context).square().mean()


def single(model: nn.Module, x: Tensor, context: Tensor) -> Tensor:
    return model(x[0], context=context[0]).square().mean()


def paired(model: hd.HyperDNN, x: Tensor, context: Tensor) -> Tensor:
    return model.paired(x[:, 0], context=context).square().mean()


def grouped(model: hd.HyperDNN, x: Tensor, context: Tensor) -> Tensor:
    return model.grouped(x[0], context=context, index=torch.zeros(8, dtype=torch.long)).square().mean()


def in_parts(model: hd.HyperDNN, x: Tensor, context: Tensor) -> Tensor:
    """The hypernet alone, the target alone, and the weights twice."""
    penalty = sum(w.square().mean() for w in model.generate(context).values())
    return model.target.batched(model.hypernet(context), x).square().mean() + penalty


def ensemble(model: hd.HyperDNN, x: Tensor, context: Tensor) -> Tensor:
    return model.ensemble(context)(x[0]).square().mean()
