"""Rows of sharded tables that no process used."""

from typing import Any, final

import torch
from torch import Tensor, distributed, nn
from torch.autograd.graph import register_multi_grad_hook

from hyperdnn._torch import after_backward, current_backward
from hyperdnn.encoders import Table
from hyperdnn.typing import Weights

__all__ = ["keep_untouched"]


def keep_untouched(hypernet: nn.Module, group: distributed.ProcessGroup | None) -> None:
    """Leave rows of its tables without gradient that no process used: zeros would let momentum and decay move them.

    FSDP2 exchanges one gradient for each row, zero where there is none. After each backward the processes tell each
    other which rows they used, in one byte for each row.
    """
    tables = [module for module in hypernet.modules() if isinstance(module, Table)]
    if tables:
        used = _Used(tables, group)
        for table in tables:
            table.register_forward_hook(used.note)
        hypernet.register_forward_hook(used.generated)


@final
class _Used:
    """Notes which rows are used, and drops the gradients of the others once a backward has ended."""

    def __init__(self, tables: list[Table], group: distributed.ProcessGroup | None) -> None:
        self.group = group
        # The divided parameters, in whose place FSDP2 puts whole ones while they are used.
        self.rows = {table: list(table.rows) for table in tables}
        self.used: dict[Table, set[int]] = {table: set() for table in tables}
        self.backward: int | None = None

    def note(self, table: Table, args: tuple[Tensor, ...], features: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return features
        self.used[table].update(torch.unique(args[0]).tolist())
        # Frozen rows too: where a gradient flows must not depend on the rows, or processes exchange in another order.
        return features if features.requires_grad else features.requires_grad_()

    def generated(self, hypernet: nn.Module, args: Any, weights: Weights) -> None:
        trained = [tensor for tensor in weights.values() if tensor.requires_grad]
        if trained:  # on every process, if on one: what is frozen is so everywhere
            register_multi_grad_hook(trained, self._began, mode="any")

    def _began(self, gradient: Tensor) -> None:
        if self.backward != current_backward():
            self.backward = current_backward()
            # What has a gradient now is accumulating: zeros will not change it.
            waiting = {row for rows in self.rows.values() for row in rows if row.grad is not None}
            after_backward(lambda: self._drop(waiting))

    def _drop(self, waiting: set[nn.Parameter]) -> None:
        for table, rows in self.rows.items():
            flags = torch.zeros(len(rows), dtype=torch.uint8, device=table.like.device)
            flags[list(self.used[table])] = 1
            self.used[table].clear()
            distributed.all_reduce(flags, distributed.ReduceOp.MAX, group=self.group)
            for row, flag in zip(rows, flags.tolist(), strict=True):
                if not flag and row not in waiting:
                    row.grad = None
        self.backward = None
