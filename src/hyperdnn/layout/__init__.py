"""What must be generated: names, shapes, offsets. Pure data, no module.

`ParamSpec` describes one tensor, `ParamLayout` an ordered set of them (cut from and joined to one flat vector),
`SlotPlan` how a layout is divided among slots, and `count` the numbers that people ask for. `Architecture` is a network
as a `Graph` of operations, each `Node` with the parameters that it uses; `Widths` says what a narrower one keeps of it.
"""

from hyperdnn.layout._architecture import Architecture, Node
from hyperdnn.layout._count import Count, count
from hyperdnn.layout._graph import Graph
from hyperdnn.layout._layout import ParamLayout
from hyperdnn.layout._select import Selector, as_selectors
from hyperdnn.layout._slots import Run, SlotGroup, SlotPlan
from hyperdnn.layout._spec import Kind, ParamSpec
from hyperdnn.layout._widths import Widths

__all__ = [
    "Architecture",
    "Count",
    "Graph",
    "Kind",
    "Node",
    "ParamLayout",
    "ParamSpec",
    "Run",
    "Selector",
    "SlotGroup",
    "SlotPlan",
    "Widths",
    "as_selectors",
    "count",
]
