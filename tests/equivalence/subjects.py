"""Targets of every kind, and an example input for each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.layout import ParamLayout

FLOAT = torch.float64


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A target and its input.

    Args:
        name: of the test.
        net: makes the plain module, in float64.
        inputs: number of samples -> positional and keyword arguments, the batch in front.
        select: which parameters are generated.
        buffers: policy for running statistics.
        modes: how it can be mapped.
    """

    name: str
    net: Callable[[], nn.Module]
    inputs: Callable[[int], tuple[tuple[Any, ...], dict[str, Any]]]
    select: Any = "*"
    buffers: str | None = None
    modes: tuple[str, ...] = field(default=("vmap", "loop"))

    def __str__(self) -> str:
        return self.name

    def make(self) -> nn.Module:
        """A plain module, its parameters away from zeros and ones."""
        net = self.net().to(FLOAT)
        for p in net.parameters():
            nn.init.normal_(p, std=0.4)
        return net


def rows(*shape: int) -> Callable[[int], tuple[tuple[Tensor], dict[str, Any]]]:
    return lambda n: ((torch.randn(n, *shape, dtype=FLOAT),), {})


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.GroupNorm(2, 4)
        self.conv = nn.Conv2d(4, 4, 3, padding=1, groups=2, padding_mode="circular")
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.out((x + F.gelu(self.conv(self.norm(x)))).mean((2, 3)))


class Recurrent(nn.Module):
    """Batch in front everywhere, states too, as the verbs need it."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer
        width = (layer.proj_size or layer.hidden_size) * (2 if layer.bidirectional else 1)
        self.out = nn.Linear(width, 2)

    def forward(self, x: Tensor, *state: Tensor) -> dict[str, Any]:
        states = tuple(s.transpose(0, 1).contiguous() for s in state)
        given = states if len(states) > 1 else states[0] if states else None
        y, last = self.layer(x, given)
        last = last if isinstance(last, tuple) else (last,)
        return {"y": self.out(y), "last": [s.transpose(0, 1) for s in last]}


def recurrent(layer: Callable[..., nn.RNNBase], **options: Any) -> Callable[[], nn.Module]:
    return lambda: Recurrent(layer(3, 4, batch_first=True, **options))


def sequences(*states: tuple[int, int]) -> Callable[[int], tuple[tuple[Tensor, ...], dict[str, Any]]]:
    def make(n: int) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
        return (torch.randn(n, 5, 3, dtype=FLOAT), *(torch.randn(n, *s, dtype=FLOAT) for s in states)), {}

    return make


class Cell(nn.Module):
    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> Any:
        state = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return state


class Attention(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True, **options)

    def forward(self, x: Tensor, *, mask: Tensor, need_weights: bool = True) -> tuple[Tensor, Tensor | None]:
        return self.attention(x, x[..., :2, :], x[..., :2, :], key_padding_mask=mask, need_weights=need_weights)


def _attended(**options: Any) -> Callable[[int], tuple[tuple[Tensor], dict[str, Any]]]:
    mask = torch.tensor([False, True])
    return lambda n: ((torch.randn(n, 3, 4, dtype=FLOAT),), {"mask": mask.repeat(n, 1), **options})


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3, padding_idx=1)
        self.middle = nn.Linear(3, 3)
        self.out = nn.Linear(3, 5, bias=False)
        self.out.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(torch.tanh(self.middle(self.embedding(tokens))))


class Shared(nn.Module):
    """One layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = self.first

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))


class Structured(nn.Module):
    """Takes a dict and keywords, and returns a dict with a list, a number and nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.scales = nn.ParameterList([torch.zeros(2), torch.zeros(1)])
        self.temperature = nn.Parameter(torch.zeros(()))

    def forward(self, data: dict[str, Tensor], *, shift: tuple[Tensor, float]) -> dict[str, Any]:
        y = self.layer(data["x"]) * self.scales[0] + self.temperature
        return {"nothing": None, "y": y, "more": [y * self.scales[1] + shift[0], shift[1]], "end": None}


def _structured(n: int) -> tuple[tuple[dict[str, Tensor]], dict[str, Any]]:
    x, shift = torch.randn(n, 3, dtype=FLOAT), torch.randn(n, 2, dtype=FLOAT)
    return ({"x": x, "unused": x[:, 0]},), {"shift": (shift, 0.5)}


def _inner_hypernet() -> nn.Module:
    layout = ParamLayout.of(nn.Linear(2, 2))
    head = heads.ChunkedHead(4, layout, 4)
    return hd.Hypernet(
        encoder=encoders.Vector(3), slots=encoders.Slots(2, 2), body=bodies.MLP(5, 4, activation="tanh"), head=head
    )


def _transformer(training: bool) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True, activation="gelu")
        return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).train(training)

    return make


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.PReLU(4), nn.LayerNorm(4), nn.Linear(4, 2))


def _cnn() -> nn.Module:
    up = nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2, output_padding=1)
    return nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.Tanh(), up, nn.InstanceNorm2d(4, affine=True))


def _normalised() -> nn.Module:
    return nn.Sequential(nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3), nn.Tanh(), nn.Flatten(), nn.Linear(9, 2))


def _bag() -> nn.Module:
    return nn.Sequential(nn.EmbeddingBag(6, 3), nn.Linear(3, 2))


SUBJECTS = (
    Subject(name="mlp", net=_mlp, inputs=rows(3)),
    Subject(name="mlp-last-layer", net=_mlp, inputs=rows(3), select="3.*"),
    Subject(name="mlp-first-and-norm", net=_mlp, inputs=rows(3), select=("0.*", nn.LayerNorm)),
    Subject(name="cnn", net=_cnn, inputs=rows(4, 7, 7)),
    Subject(name="cnn-transposed-only", net=_cnn, inputs=rows(4, 7, 7), select="2.*"),
    Subject(name="residual", net=Residual, inputs=rows(2, 5, 5)),
    Subject(name="batchnorm-batch", net=_normalised, inputs=rows(2, 4), buffers="batch"),
    Subject(name="batchnorm-frozen", net=_normalised, inputs=rows(2, 4), buffers="frozen"),
    Subject(name="lstm", net=recurrent(nn.LSTM), inputs=sequences()),
    Subject(
        name="lstm-everything",
        net=recurrent(nn.LSTM, num_layers=2, bidirectional=True, proj_size=2),
        inputs=sequences((4, 2), (4, 4)),
    ),
    Subject(name="gru", net=recurrent(nn.GRU, num_layers=2, bias=False), inputs=sequences((2, 4))),
    Subject(name="gru-both-ways", net=recurrent(nn.GRU, bidirectional=True), inputs=sequences(), select="layer.*_hh*"),
    Subject(name="rnn", net=recurrent(nn.RNN, bidirectional=True), inputs=sequences((2, 4))),
    Subject(name="rnn-relu", net=recurrent(nn.RNN, num_layers=2, nonlinearity="relu"), inputs=sequences()),
    Subject(name="lstm-cell", net=lambda: Cell(nn.LSTMCell(3, 4)), inputs=sequences()),
    Subject(name="gru-cell", net=lambda: Cell(nn.GRUCell(3, 4, bias=False)), inputs=sequences()),
    Subject(name="rnn-cell", net=lambda: Cell(nn.RNNCell(3, 4, nonlinearity="relu")), inputs=sequences()),
    Subject(name="transformer-training", net=_transformer(True), inputs=rows(3, 4)),
    Subject(name="transformer-evaluation", net=_transformer(False), inputs=rows(3, 4)),
    Subject(name="attention", net=Attention, inputs=_attended()),
    Subject(name="attention-without-map", net=lambda: Attention(bias=False), inputs=_attended(need_weights=False)),
    Subject(name="tied", net=Tied, inputs=lambda n: ((torch.randint(0, 5, (n, 4)),), {})),
    Subject(name="tied-kept", net=Tied, inputs=lambda n: ((torch.randint(0, 5, (n, 4)),), {}), select="middle.*"),
    Subject(name="shared-layer", net=Shared, inputs=rows(3)),
    Subject(name="structured", net=Structured, inputs=_structured),
    Subject(name="hypernet", net=_inner_hypernet, inputs=rows(3)),
    Subject(name="embedding-bag", net=_bag, inputs=lambda n: ((torch.randint(0, 6, (n, 3)),), {}), modes=("loop",)),
)
