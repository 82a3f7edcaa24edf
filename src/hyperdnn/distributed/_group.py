"""The processes that work together."""

from itertools import chain

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import DeviceMesh

from hyperdnn.errors import ConfigError

__all__ = ["agree", "require_processes"]


@torch.no_grad()
def agree(module: nn.Module, mesh: DeviceMesh | None) -> None:
    """Give every process the first one's numbers: divided as they are, they would be a mixture of different models.

    Args:
        module: its parameters and buffers are overwritten; those without memory are left alone.
        mesh: the processes; all if None.
    """
    group = mesh.get_group() if mesh is not None else None
    for tensor in chain(module.parameters(), module.buffers()):
        if not tensor.is_meta:
            distributed.broadcast(tensor.detach(), group=group, group_src=0)


def require_processes(what: str) -> None:
    """Verify that there is a process group.

    Raises:
        ConfigError: if there is none.
    """
    if not distributed.is_available() or not distributed.is_initialized():
        raise ConfigError(
            f"{what}: there is no process group. Start the program with torchrun, and call "
            "torch.distributed.init_process_group() first."
        )
