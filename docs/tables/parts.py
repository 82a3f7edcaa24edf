"""The strategies and bodies that ``strategies.py`` measures, and the targets that they generate."""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, init, layout

TASKS, FEATURES, HIDDEN = 4, 16, 64

Head = Callable[[hd.Architecture, init.Init], nn.Module]

HEADS: dict[str, Head] = {
    "generate once": lambda net, rule: heads.FullHead(HIDDEN, net.layout, init=rule),
    "multiple heads": lambda net, rule: heads.MultiHead(HIDDEN, net.layout, init=rule),
    "low-rank (16)": lambda net, rule: heads.Join(net.layout, _factored(net.layout, rule)),
    "coordinates (256 wide)": lambda net, rule: heads.CoordinateHead(HIDDEN, net.layout, width=256, init=rule),
    "chunk-wise (256)": lambda net, rule: heads.ChunkedHead(HIDDEN, net.layout, 256, init=rule),
    "component-wise (layer)": lambda net, rule: heads.ComponentHead(HIDDEN, net.layout, init=rule),
    "component-wise (row)": lambda net, rule: heads.ComponentHead(HIDDEN, net.layout, component="row", init=rule),
    "nodes": lambda net, rule: heads.NodeHead(HIDDEN, net.layout, owner=net.owner, slots=len(net.nodes), init=rule),
    "nodes, tiled": lambda net, rule: heads.TiledHead(
        HIDDEN, net.layout, owner=net.owner, slots=len(net.nodes), init=rule
    ),
}
"""Each generation strategy. Nodes are those of the target's graph: one slot for each operation."""

Body = Callable[[int, int, layout.Graph], nn.Module]
"""Width of the features, how many slots the head takes, and the target's graph -> a body."""

BODIES: dict[str, Body] = {
    "Linear": lambda width, slots, graph: bodies.Linear(width, HIDDEN),
    "MLP": lambda width, slots, graph: bodies.MLP(width, HIDDEN, HIDDEN),
    "CNN": lambda width, slots, graph: bodies.CNN(width, HIDDEN, HIDDEN),
    "RNN": lambda width, slots, graph: bodies.RNN(width, HIDDEN),
    "Attention": lambda width, slots, graph: bodies.Attention(width, HIDDEN, layers=1),
    "CrossAttention": lambda width, slots, graph: bodies.CrossAttention(width, FEATURES, HIDDEN, layers=1),
    "Deconv": lambda width, slots, graph: bodies.Deconv(width, HIDDEN, HIDDEN, HIDDEN, slots=slots),
    "Graph": lambda width, slots, graph: bodies.Graph(width, HIDDEN, graph),
}


class TaskTokens(nn.Module):
    """Four learned tokens for each task, for a body that reads tokens."""

    tokens = True

    def __init__(self) -> None:
        super().__init__()
        self.features = FEATURES
        self.table = encoders.Table(TASKS, 4 * FEATURES)

    def forward(self, context: Tensor) -> Tensor:
        rows: Tensor = self.table(context).unflatten(-1, (4, FEATURES))
        return rows


def fits(body: str, head: nn.Module) -> bool:
    """Whether the two can be put together: the graph has a row for each node, and what mixes slots needs some."""
    slots: int | None = getattr(head, "slots", None)
    if body == "Graph":
        return isinstance(head, heads.NodeHead | heads.TiledHead)
    return slots is not None or body in ("Linear", "MLP")


def build(net: nn.Module, head: Head, body: Body, rule: init.Init = init.matched) -> hd.HyperDNN:
    """A HyperDNN for `TASKS` tasks."""
    architecture = hd.Architecture.of(net)
    made = head(architecture, rule)
    slots: int | None = getattr(made, "slots", None)
    example = body(FEATURES, 1, layout.Graph(1, ()))
    cross = hasattr(example, "cross")
    extra = None if slots is None or hasattr(example, "makes_slots") else encoders.Slots(slots, FEATURES)
    width = FEATURES if cross or extra is None else 2 * FEATURES
    hypernet = hd.Hypernet(
        encoder=TaskTokens() if cross else encoders.Table(TASKS, FEATURES),
        slots=extra,
        body=body(width, slots or 1, architecture.graph),
        head=made,
    )
    return hd.HyperDNN(hd.Target(net), hypernet)


def cnn() -> nn.Module:
    """The target of the first table: 6,090 weights."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def deep() -> nn.Module:
    """The target of the second table: ten layers, 32 wide, Kaiming initialised."""
    widths = [64] + [32] * 9 + [10]
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        linear = nn.Linear(inputs, outputs)
        nn.init.kaiming_normal_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _factored(wanted: hd.ParamLayout, rule: init.Init) -> list[nn.Module]:
    """Rank 16 where the matrix has it, whole tensors elsewhere."""
    thick = [s.name for s in wanted if len(s.shape) > 1 and min(s.shape[0], s.numel // s.shape[0]) >= 16]
    rest = [name for name in wanted.names if name not in thick]
    parts: list[nn.Module] = [heads.FactoredHead(HIDDEN, wanted.select(*thick), 16, init=rule)]
    return [*parts, heads.FullHead(HIDDEN, wanted.select(*rest), init=rule)] if rest else parts
