"""Networks of random architecture for images of 3 x 8 x 8, repeatable by their seed."""

from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGE = (3, 8, 8)
CLASSES = 5


class RandomNet(nn.Module):
    """Steps in a row, each of which may also read what an earlier one made.

    Args:
        seed: what kind of network it is; its weights come from torch's generator.
        norms: kinds of normalisation that it may have.
    """

    def __init__(self, seed: int, *, norms: tuple[str, ...] = ("none", "batch", "group")) -> None:
        super().__init__()
        random = Random(seed)
        self.layers = nn.ModuleDict()
        self.steps: list[tuple[str, int]] = []  # what is done, and the earlier step that takes part
        shapes = [(random.choice((4, 6, 8)), IMAGE[1])]
        self.layers["stem"] = nn.Conv2d(IMAGE[0], shapes[0][0], 3, padding=1)
        for step in range(1, random.randint(2, 20) + 1):
            channels, size = shapes[-1]
            partners = [i for i, shape in enumerate(shapes) if shape == shapes[-1]]
            joinable = [i for i, (c, s) in enumerate(shapes) if s == size and c + channels <= 32]
            kind = random.choice(("conv", "conv", "depthwise", "pool", "skip", "skip", "cat", "act"))
            other = step - 1
            if kind == "conv":
                width = random.choice((4, 6, 8, 12, 16))
                kernel = random.choice((1, 3, 5))
                self._block(step, nn.Conv2d(channels, width, kernel, padding=kernel // 2), random.choice(norms))
                channels = width
            elif kind == "depthwise":
                self._block(step, nn.Conv2d(channels, channels, 3, padding=1, groups=channels), random.choice(norms))
            elif kind == "pool" and size > 2:
                kind, size = random.choice(("max", "avg")), size // 2
                if kind == "avg":
                    self.layers[f"{step}"] = nn.AvgPool2d(2)
            elif kind == "skip":
                other = random.choice(partners)
                self._block(step, nn.Conv2d(channels, channels, 3, padding=1), random.choice(norms))
            elif kind == "cat" and joinable:
                other = random.choice(joinable)
                channels += shapes[other][0]
            else:
                kind = random.choice(("relu", "gelu", "silu"))
                if kind == "silu":
                    self.layers[f"{step}"] = nn.SiLU()
            self.steps.append((kind, other))
            shapes.append((channels, size))
        channels, size = shapes[-1]
        self.flatten = size == 2
        features = channels * size * size if self.flatten else channels
        hidden = random.choice((None, 16))
        if hidden:
            self.layers["hidden"] = nn.Linear(features, hidden)
        self.layers["out"] = nn.Linear(hidden or features, CLASSES)

    def _block(self, step: int, conv: nn.Conv2d, norm: str) -> None:
        parts: list[nn.Module] = [conv]
        if norm == "batch":
            parts.append(nn.BatchNorm2d(conv.out_channels))
        if norm == "group":
            parts.append(nn.GroupNorm(2, conv.out_channels))
        self.layers[f"{step}"] = nn.Sequential(*parts, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        seen = [self.layers["stem"](x)]
        for step, (kind, other) in enumerate(self.steps, start=1):
            x = seen[-1]
            if f"{step}" in self.layers:
                x = self.layers[f"{step}"](x)
            if kind == "skip":
                x = x + seen[other]
            elif kind == "cat":
                x = torch.cat((x, seen[other]), dim=1)
            elif kind == "max":
                x = F.max_pool2d(x, 2)
            elif kind in ("relu", "gelu"):
                x = getattr(F, kind)(x)
            seen.append(x)
        x = seen[-1].flatten(1) if self.flatten else seen[-1].mean(dim=(2, 3))
        if "hidden" in self.layers:
            x = torch.relu(self.layers["hidden"](x))
        return self.layers["out"](x)
