"""Networks that exporters can follow, and some that they cannot."""

import torch
from torch import Tensor, nn


class Memory(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(3, 4, batch_first=True, bidirectional=True)

    def forward(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        outputs, (state, _) = self.layer(steps)
        return outputs, state


class Deciding(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        y = super().forward(input)
        return y if y.sum() > 0 else -y


class Fixed(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).view(4, -1)


class Spectral(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        y = super().forward(input)
        return torch.linalg.eigvalsh(y[:, :, None] * y[:, None])


class Named(nn.Module):
    """Several inputs, one of them a constant of the file."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor, shift: Tensor, scale: float = 1.0) -> dict[str, Tensor]:
        return {"y": scale * self.layer(x) - shift, "z": x.sum(-1)}


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 2))


def tied() -> nn.Module:
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    net[2].weight = net[0].weight
    return net
