"""Export targets of many kinds, baked and whole, and print what went wrong, as JSON: name -> message.

Run as a script, outside of pytest: the wrappers that check shapes at run time are not for torch to trace.
"""

import functools
import json
import tempfile
import warnings
from pathlib import Path

import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import export, targets

TASK, TASKS = torch.tensor(2), torch.tensor([2, 0, 1, 2, 0])


class Last(nn.Module):
    """A recurrent layer and an output for the last step."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.out = layer, nn.Linear(4, 2)

    def forward(self, steps):
        return self.out(self.layer(steps)[0][:, -1])


def pictures():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    )


def attention():
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


KINDS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)), (3,), {}),
    "lstm": (lambda: Last(nn.LSTM(3, 4, batch_first=True)), (5, 3), {}),
    "gru": (lambda: Last(nn.GRU(3, 4, batch_first=True)), (5, 3), {}),
    "attention": (attention, (5, 8), {}),
    "conv and norm": (pictures, (2, 4, 4), {"buffers": "frozen"}),
    "residual": (lambda: nn.Linear(3, 2), (3,), {"combine": targets.Residual()}),
}


def model_of(kind):
    make, shape, options = KINDS[kind]
    torch.manual_seed(0)
    model = hd.HyperDNN.for_tasks(make(), 3, **options)
    for parameter in model.hypernet.parameters():
        nn.init.normal_(parameter, std=0.3)
    for buffer in model.target.module.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return model.eval(), shape


def baked(write, kind, folder):
    model, shape = model_of(kind)
    found = write(model.bake(TASK), folder / "net", torch.randn(2, *shape))
    x = torch.randn(6, *shape)
    assert export.difference(found.run(x), model(x, context=TASK)).within


def whole(write, kind, folder):
    model, shape = model_of(kind)
    found = write(model, folder / "net", torch.randn(2, *shape), context=torch.tensor(0))
    x = torch.randn(6, *shape)
    for task in range(3):
        one = torch.tensor(task)
        assert export.difference(found.run(x, context=one), model(x, context=one)).within


def many(write, kind, folder):
    model, shape = model_of(kind)
    found = write(model, folder / "net", torch.randn(3, 2, *shape), context=torch.arange(3))
    x = torch.randn(5, 4, *shape)
    assert export.difference(found.run(x, context=TASKS), model(x, context=TASKS)).within


CHECKS = {
    **{f"program of a baked {kind}": functools.partial(baked, export.program, kind) for kind in KINDS},
    **{f"program of a whole {kind}": functools.partial(whole, export.program, kind) for kind in KINDS},
    **{f"onnx of a baked {kind}": functools.partial(baked, export.onnx, kind) for kind in ("gru", "conv and norm")},
    **{f"onnx of a whole {kind}": functools.partial(whole, export.onnx, kind) for kind in ("lstm", "attention")},
    "program of many": functools.partial(many, export.program, "mlp"),
    "onnx of many": functools.partial(many, export.onnx, "mlp"),
}


def complaint(check):
    with tempfile.TemporaryDirectory() as folder:
        try:
            check(Path(folder))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    warnings.simplefilter("error")
    print(json.dumps({name: complaint(check) for name, check in CHECKS.items()}))
