"""Compile models and targets and print what went wrong, as JSON: name -> message or null.

Run as a script, outside of pytest: the wrappers that check shapes at run time are not for the compiler to trace. Every
model is compiled before it has ever run, for a first run may leave things behind that make a second one easier.

    python compiled.py eager|inductor
"""

import copy
import json
import sys
import warnings

import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, models, targets
from hyperdnn._torch import tree_leaves

ONE, MANY = torch.tensor(1), torch.arange(3)


def mlp():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.LayerNorm(4), nn.Linear(4, 2))


def normalised(**options):
    return nn.Sequential(nn.Conv1d(3, 4, 2), nn.BatchNorm1d(4, **options), nn.Flatten(), nn.Linear(8, 2))


def transformer():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True), 1)


class Structured(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, data, *, scale=1.0):
        return {"nothing": None, "y": [self.layer(data["x"]) * scale]}


class Clipped(nn.Module):
    """A hypernet behind a bound on the gradient that enters it."""

    def __init__(self, model):
        super().__init__()
        self.hypernet, self.layout = model.hypernet, model.target.layout

    def forward(self, context):
        return hd.clip_gradient(self.hypernet(context), self.layout, 0.01)


def clipped():
    model = tasks(mlp)()
    return hd.HyperDNN(model.target, Clipped(model))


def assembled(head, combine=None):
    target = hd.Target(mlp(), combine=combine)
    made = head(target.layout)
    slots = None if made.slots is None else encoders.Slots(made.slots, 3)
    body = bodies.MLP(7 if slots else 4, 6)
    hypernet = hd.Hypernet(encoder=encoders.Table(3, 4), slots=slots, body=body, head=made)
    return hd.HyperDNN(target, hypernet)


def conditioned():
    def make(layer):
        target = hd.Target(layer, select="weight")
        hypernet = hd.Hypernet(encoder=encoders.Vector(4), body=bodies.MLP(4, 5), head=heads.FullHead(5, target.layout))
        return models.Conditioned(hd.HyperDNN(target, hypernet))

    net = mlp()
    targets.attach_conditioned(net, "3", make)
    return net


def grown():
    model = assembled(lambda layout: heads.ComponentHead(6, layout, component="row"))
    model.resize("3", 5)
    return model


class Routed(nn.Module):
    """A model whose context is made of a task's index: three experts and gates, or the same index twice."""

    def __init__(self, kind):
        super().__init__()
        target = hd.Target(mlp())
        layouts = [target.layout.select("0.*"), target.layout.select("2.*", "3.*")]
        self.kind = kind
        if kind == "joined":
            self.model = hd.HyperDNN(target, models.Join(target.layout, [experts(layout) for layout in layouts]))
        elif kind == "weights":
            self.model = hd.HyperDNN(target, models.WeightMixture(experts(target.layout), gate=nn.Linear(3, 3)))
        else:
            self.model = models.OutputMixture(hd.HyperDNN(target, experts(target.layout)), gate=nn.Linear(3, 3))

    def forward(self, x, *, context):
        routed = nn.functional.one_hot(context, 3).float()
        return self.model(x, context=(context, context) if self.kind == "joined" else (MANY, routed))


def experts(layout):
    return hd.Hypernet(encoder=encoders.Table(3, 4), body=bodies.MLP(4, 6), head=heads.FullHead(6, layout))


class Tiled(nn.Module):
    """Weights for each cell of an image; the context is not used."""

    def __init__(self):
        super().__init__()
        target = hd.Target(nn.Conv2d(2, 3, 3))
        hypernet = hd.Hypernet(
            encoder=encoders.Cells(2, 4, widths=(4,)), body=bodies.MLP(4, 5), head=heads.FullHead(5, target.layout)
        )
        self.model = hd.HyperDNN(target, hypernet)

    def forward(self, x, *, context):
        tiles = hd.nn.Tiles(2, overlap=1)
        return tiles.fold(self.model.paired(tiles.split(x), context=x), 5, 4)


class Predicted(nn.Module):
    """Weights for an architecture; the context is not used."""

    def __init__(self):
        super().__init__()
        self.architecture = hd.Architecture.of(mlp())
        nodes = encoders.Nodes(encoders.Nodes.vocabulary_of([self.architecture]), 4)
        self.hypernet = hd.GraphHypernet(nodes=nodes, body=bodies.Graph(4, 6), head=heads.TiledHead(6, tile=(3, 2)))
        self.target = hd.Target.of(self.architecture)

    def forward(self, x, *, context):
        return self.target(self.hypernet(self.architecture), x)


def tasks(net, **options):
    return lambda: hd.HyperDNN.for_tasks(net(), 3, hidden=6, features=4, **options)


def data(*shape):
    return lambda contexts: torch.randn(*contexts, *shape)


MODELS = {  # how to make one, its data for contexts
    "mlp": (tasks(mlp), data(5, 3)),
    "mlp-last-layer": (tasks(mlp, select="3.*"), data(5, 3)),
    "clipped": (clipped, data(5, 3)),
    "residual": (tasks(mlp, combine=targets.Residual()), data(5, 3)),
    "low-rank-chunked": (lambda: assembled(lambda x: heads.ChunkedHead(6, x, 5), targets.LowRank(1)), data(5, 3)),
    "scale-multi": (lambda: assembled(lambda x: heads.MultiHead(6, x), targets.Scale()), data(5, 3)),
    "coordinates": (lambda: assembled(lambda x: heads.CoordinateHead(6, x, width=4)), data(5, 3)),
    "grown": (grown, data(5, 3)),
    "rows": (lambda: assembled(lambda x: heads.ComponentHead(6, x, component="row")), data(5, 3)),
    "batchnorm-frozen": (tasks(normalised, buffers="frozen"), data(5, 3, 3)),
    "batchnorm-batch": (tasks(normalised, buffers="batch"), data(5, 3, 3)),
    "batchnorm-shared": (tasks(normalised, buffers="shared"), data(5, 3, 3)),
    "lstm": (tasks(lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)), data(5, 2, 3)),
    "gru-cell": (tasks(lambda: nn.GRUCell(3, 4)), data(5, 3)),
    "transformer": (tasks(transformer), data(5, 3, 4)),
    "transformer-evaluation": (lambda: tasks(transformer)().eval(), data(5, 3, 4)),
    "conditioned": (tasks(conditioned, select="0.*"), data(5, 3)),
    "joined-hypernets": (lambda: Routed("joined"), data(5, 3)),
    "weight-mixture": (lambda: Routed("weights"), data(5, 3)),
    "output-mixture": (lambda: Routed("outputs"), data(5, 3)),
    "tiled": (Tiled, data(2, 5, 4)),
    "architecture": (Predicted, data(5, 3)),
    "structured": (tasks(Structured), lambda contexts: {"x": torch.randn(*contexts, 5, 3)}),
}
WITHOUT_GRADIENT = ("mlp", "transformer-evaluation")  # where torch has kernels for inference of their own
SLOW = ("mlp", "low-rank-chunked", "batchnorm-batch")


def first_difference(make, x, context, backend, *, grad):
    """Outputs, gradients and buffers of a fresh compiled model against a copy that was never compiled."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    model = make()
    eager = copy.deepcopy(model)
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    results = []
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if backend == "eager" else {"rtol": 1e-3, "atol": 1e-5}  # sums reordered
    with torch.set_grad_enabled(grad):
        for one, run in ((model, compiled), (eager, eager)):
            output = run(x, context=context)
            tensors = [y for y in tree_leaves(output) if isinstance(y, torch.Tensor)]
            if grad:
                sum(y.square().sum() for y in tensors).backward()
            # Untouched rows of a table have no gradient when eager, a zero one when compiled.
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in one.parameters()]
            results.append((output, grads, list(one.buffers())))
    torch.testing.assert_close(*results, **tolerance)


def complaint(name, backend):
    make, data = MODELS[name]
    torch.manual_seed(1)
    for context, grad in ((ONE, True), (MANY, True), *([(MANY, False)] if name in WITHOUT_GRADIENT else [])):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.filterwarnings("ignore", category=DeprecationWarning)
                first_difference(make, data(context.shape), context, backend, grad=grad)
        except Exception as error:
            what = f"{'one context' if context is ONE else 'many contexts'}, {'with' if grad else 'without'} gradient"
            return f"{what}: {type(error).__name__}: {str(error)[:600]}"
    return None


if __name__ == "__main__":
    torch.set_num_threads(1)
    chosen = MODELS if sys.argv[1] == "eager" else SLOW
    print(json.dumps({name: complaint(name, sys.argv[1]) for name in chosen}))
