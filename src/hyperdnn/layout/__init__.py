"""What must be generated: names, shapes, offsets. Pure data, no module.

`ParamSpec` describes one tensor, `ParamLayout` an ordered set of them (cut from and joined to one flat vector),
`SlotPlan` how a layout is divided among slots, and `count` the numbers that people ask for.
"""

from hyperdnn.layout._count import Count, count
from hyperdnn.layout._layout import ParamLayout
from hyperdnn.layout._select import Selector, as_selectors
from hyperdnn.layout._slots import Run, SlotGroup, SlotPlan
from hyperdnn.layout._spec import Kind, ParamSpec

__all__ = [
    "Count",
    "Kind",
    "ParamLayout",
    "ParamSpec",
    "Run",
    "Selector",
    "SlotGroup",
    "SlotPlan",
    "as_selectors",
    "count",
]
