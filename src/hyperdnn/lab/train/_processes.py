"""One training in several processes: who starts them, and what each of them does."""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, distributed

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.lab.data import Batch
from hyperdnn.lab.train._gradients import is_divided
from hyperdnn.lab.train._jointly import first_says
from hyperdnn.lab.train._parts import Step
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Processes", "are_several", "launch"]

_started: list[Any] = []  # the processes that this one started: who forgets one is warned
_PATIENCE = timedelta(minutes=5)  # with a process that does not come; evaluation and data are the same in all


def launch(settings: object) -> bool:
    """Start the other processes, if a loop's settings ask for some; whether this is the one that writes.

    Others run this very command again, so nothing that is done once may come before.

    Args:
        settings: `Settings`; anything else trains in one process.

    Raises:
        ConfigError: if devices, strategy or the way the program was started do not fit.
    """
    return Processes(settings).rank == 0 if isinstance(settings, Settings) else True


def are_several(settings: object) -> bool:
    """Whether a loop's settings, or torchrun, ask for more than one process; none is started.

    Args:
        settings: `Settings`; anything else trains in one process.

    Raises:
        ConfigError: if devices, strategy or the way the program was started do not fit.
    """
    return isinstance(settings, Settings) and math.prod(_asked(settings)) > 1


@final
class Processes:
    """The processes of a training, and the share of this one.

    Every process draws the same batches from the same generator and takes its part of each; gradients are averaged. So
    they do together what one would do alone, up to what modules draw by themselves, such as dropout, which differs.

    Args:
        settings: says how many, and how they share the model.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.fabric = _fabric(settings)
        self.number = self.fabric.world_size
        self.rank = self.fabric.global_rank

    def prepare(self, state: State) -> None:
        """Put the model where it is trained, before there is an optimiser."""
        self.fabric.to_device(state.model)
        if self.number > 1:
            if self.settings.batch_size % self.number:
                raise ConfigError(
                    f"train.batch_size: {self.settings.batch_size} samples cannot be divided among {self.number} "
                    "processes. Choose a multiple."
                )
            if self.rank:  # the first goes on as one process would
                torch.manual_seed(torch.initial_seed() + self.rank)
            if self.settings.strategy == "fsdp":
                from hyperdnn.distributed import shard  # its imports take a second

                shard(state.model)

    def wrap(self, step: Step, state: State) -> Callable[[Any], dict[str, Tensor]]:
        """A function of a batch that computes the losses of this process's share.

        To be made anew when other parameters are trained: the reducer of gradients counts them.

        Raises:
            ConfigError: a model that grew after it was divided among processes.
        """
        if self.settings.strategy == "fsdp":
            for name, parameter in state.model.named_parameters():
                if not is_divided(parameter):
                    raise ConfigError(
                        f"'{name}' is new, and no model grows under strategy 'fsdp', which has divided it among "
                        "processes before. Use strategy 'ddp'."
                    )
        if self.number == 1 or self.settings.strategy == "fsdp":
            return lambda batch: step(state.model, batch, state)
        from torch.nn.parallel import DistributedDataParallel

        from hyperdnn.distributed import Verb

        def losses(model: Any, batch: Any) -> dict[str, Tensor]:
            found = step(model, batch, state)
            # What is only logged has no backward, and the reducer would wait for it.
            return {name: loss if name == "loss" else loss.detach() for name, loss in found.items()}

        # Embeddings of tasks that no process sees have no gradient.
        return DistributedDataParallel(Verb(state.model, losses), find_unused_parameters=True)

    @contextmanager
    def as_the_first(self) -> Iterator[None]:
        """Inside, modules draw what the first process draws: what grows in all must grow alike."""
        if self.number == 1:
            yield
            return
        device = self.fabric.device
        generators: list[Any] = [torch, *([] if device.type == "cpu" else [torch.get_device_module(device)])]
        own = [generator.get_rng_state() for generator in generators]
        for generator, state in zip(generators, first_says(own), strict=True):
            generator.set_rng_state(state)
        yield
        if self.rank:
            for generator, state in zip(generators, own, strict=True):
                generator.set_rng_state(state)

    def share(self, batch: Any) -> Any:
        """This process's part: samples in turn, and its context if there is one for each.

        Raises:
            ConfigError: if the processes would get unequal parts, or the batch is no `data.Batch`.
        """
        if self.number == 1:
            return batch
        if not isinstance(batch, Batch):
            raise ConfigError(
                f"a batch of type {type(batch).__name__} cannot be divided among {self.number} processes: expected a "
                "lab.data.Batch. Train on one device."
            )
        tensors = (batch.inputs, batch.targets, *([batch.context] if batch.context.ndim else []))
        if len({len(tensor) for tensor in tensors}) > 1 or len(batch) % self.number:
            sizes = [len(tensor) for tensor in tensors]
            raise ConfigError(
                f"a batch of {sizes} inputs, targets and contexts cannot be divided among {self.number} processes: "
                f"expected equal numbers, a multiple of {self.number}."
            )
        part = slice(self.rank, None, self.number)
        context = batch.context[part] if batch.context.ndim else batch.context
        return replace(batch, context=context, inputs=batch.inputs[part], targets=batch.targets[part])

    def mean(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Each loss, averaged over the processes, as one number for all."""
        if self.number == 1:
            return losses
        values = torch.stack([loss.detach().float() for loss in losses.values()])
        distributed.all_reduce(values)
        return dict(zip(losses, (values / self.number).unbind(), strict=True))


def _fabric(settings: Settings) -> "Fabric":
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.plugins import MixedPrecision
        from lightning_fabric.strategies.ddp import DDPStrategy
        from lightning_fabric.utilities.exceptions import MisconfigurationException
    except ImportError:
        raise MissingExtraError("lightning-fabric", extra="lab") from None
    devices, nodes = _asked(settings)
    options: dict[str, Any] = {"accelerator": settings.device, "devices": devices}
    if settings.precision == "16-mixed" and _on_cpu(settings):
        options["plugins"] = MixedPrecision("16-mixed", "cpu")  # Fabric by itself would take bfloat16, and only warn
    else:
        options["precision"] = settings.precision
    several = devices * nodes > 1
    if several:
        options |= {"num_nodes": nodes, "strategy": DDPStrategy(timeout=_PATIENCE)}
    try:
        fabric = Fabric(**options)
    except (RuntimeError, MisconfigurationException) as error:
        raise ConfigError(
            f"train.device: {devices} of '{settings.device}' are not available on this machine. Use auto."
            if several
            else f"train.device: '{settings.device}' is not available on this machine. Use auto."
        ) from error
    if several:
        fabric.launch()
        _spare(fabric)
    return fabric


def _on_cpu(settings: Settings) -> bool:
    """Whether the best device there is, if none is named, is the CPU."""
    if settings.device != "auto":
        return settings.device == "cpu"
    return not torch.cuda.is_available() and not torch.backends.mps.is_available()


def _spare(fabric: "Fabric") -> None:
    """Keep Fabric's observer from killing this process, without a word, where another one has ended.

    It looks every few seconds, so that what is said of it here might be cut short. The backend notices at once.
    """
    started = getattr(fabric.strategy.launcher, "procs", [])
    _started.extend(started)
    started.clear()


def _asked(settings: Settings) -> tuple[int, int]:
    """Devices on this machine, and machines."""
    devices, nodes = settings.devices, 1
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
        if settings.devices not in {1, devices}:
            raise ConfigError(
                f"train.devices: {settings.devices}, but torchrun started {devices} on this machine. Leave it out."
            )
    if devices * nodes == 1 and settings.strategy != "auto":
        raise ConfigError(
            f"train.strategy: '{settings.strategy}' is for several devices. Add --devices 2, start with "
            "torchrun, or take --strategy auto."
        )
    return devices, nodes
