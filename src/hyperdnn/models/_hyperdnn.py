"""Hypernet and target together."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn import encoders
from hyperdnn import init as initial
from hyperdnn.errors import ConfigError, ContextError, LayoutError
from hyperdnn.layout import Count, ParamLayout, Selector, count
from hyperdnn.models import _load, _makers, _resize, _save
from hyperdnn.protocols import Combine
from hyperdnn.targets import Policy, Target
from hyperdnn.typing import Context, Weights

__all__ = ["HyperDNN"]


@final
class HyperDNN(nn.Module):
    """A hypernet and its target: one module to train, save and ship.

    Three verbs: `generate` makes weights, `call` runs the target with them, and calling the model does both. `paired`
    and `grouped` say otherwise which sample meets which context (see `Target`).

    Args:
        target: runs the module.
        hypernet: context -> weights; a `Hypernet`, or any module that declares a ``layout``.

    Raises:
        LayoutError: if the hypernet generates for another layout, naming the first difference.
    """

    hypernet: Any  # a Hypernet, or whatever module the user has: its parts are not ours to name

    def __init__(self, target: Target, hypernet: nn.Module) -> None:
        super().__init__()
        layout = getattr(hypernet, "layout", None)
        if not isinstance(layout, ParamLayout):
            raise ConfigError(f"{type(hypernet).__name__} declares no layout: a hypernet must say what it generates.")
        difference = layout.difference(target.layout)
        if difference is not None:
            raise LayoutError(f"the hypernet was built for another target: in its layout {difference}.")
        self.target = target
        self.hypernet = hypernet

    @classmethod
    def for_tasks(
        cls,
        net: nn.Module,
        num_tasks: int,
        *,
        select: Selector | Sequence[Selector] = "*",
        combine: Combine | None = None,
        buffers: Policy | None = None,
        init: _makers.Start = initial.matched,
        hidden: int = 64,
        features: int = 32,
    ) -> "HyperDNN":
        """A model with one learned embedding for each task; ``context`` is the task's index.

        Args:
            net: the target network; the model takes it over.
            num_tasks: tasks to begin with; ``model.hypernet.encoder.grow()`` adds more.
            select: which parameters are generated.
            combine: how generated and base tensors make a parameter.
            buffers: policy for running statistics, if there are any.
            init: a rule of `init`, or ``"target"`` to start at the net's own weights.
            hidden: width of the body.
            features: width of a task embedding.
        """
        encoder = encoders.Table(num_tasks, features)
        return cls(
            *_makers.make(net, encoder, select=select, combine=combine, buffers=buffers, init=init, hidden=hidden)
        )

    @classmethod
    def for_vectors(
        cls,
        net: nn.Module,
        features: int,
        *,
        select: Selector | Sequence[Selector] = "*",
        combine: Combine | None = None,
        buffers: Policy | None = None,
        init: _makers.Start = initial.matched,
        hidden: int = 64,
    ) -> "HyperDNN":
        """A model whose context is a vector of ``features`` numbers. The other arguments are those of `for_tasks`."""
        encoder = encoders.Vector(features)
        return cls(
            *_makers.make(net, encoder, select=select, combine=combine, buffers=buffers, init=init, hidden=hidden)
        )

    @classmethod
    def for_noise(
        cls,
        net: nn.Module,
        features: int = 32,
        *,
        select: Selector | Sequence[Selector] = "*",
        combine: Combine | None = None,
        buffers: Policy | None = None,
        init: _makers.Start = initial.matched,
        hidden: int = 64,
    ) -> "HyperDNN":
        """A model whose context is noise, drawn by ``model.hypernet.encoder.sample(n)``; the rest as `for_tasks`."""
        encoder = encoders.Noise(features)
        return cls(
            *_makers.make(net, encoder, select=select, combine=combine, buffers=buffers, init=init, hidden=hidden)
        )

    def generate(self, context: Context) -> Weights:
        """Weights of one context, or of many: name -> ``(*contexts, *shape)``."""
        weights: Weights = self.hypernet(context)
        return weights

    def call(self, weights: Weights, *args: Any, **kwargs: Any) -> Any:
        """Run the target: as it is for weights of one context, `Target.batched` for many."""
        spec = next(iter(self.target.layout))
        if spec.name in weights and weights[spec.name].ndim > len(spec.shape):
            return self.target.batched(weights, *args, **kwargs)
        return self.target(weights, *args, **kwargs)

    def forward(self, *args: Any, context: Context, **kwargs: Any) -> Any:
        return self.call(self.generate(context), *args, **kwargs)

    def paired(self, *args: Any, context: Context, **kwargs: Any) -> Any:
        """Generate one context's weights for each sample, and run `Target.paired`."""
        return self.target.paired(self.generate(context), *args, **kwargs)

    def grouped(self, *args: Any, context: Tensor, index: Tensor | None = None, **kwargs: Any) -> Any:
        """Generate each distinct context once, and run `Target.grouped`.

        Args:
            args: the mixed batch ``(B, ...)``.
            context: with an index the ``K`` contexts; without one the context of each sample, of which equal ones are
                found, and the first of them stands for all.
            index: ``(B,)``, which of the contexts belongs to each sample.
            kwargs: more inputs ``(B, ...)``.
        """
        if index is None:
            if not isinstance(context, Tensor):
                raise ContextError(
                    "grouped finds equal contexts in a tensor only: pass the distinct contexts and index=."
                )
            distinct, index = torch.unique(context.detach(), dim=0, return_inverse=True)
            order = torch.arange(len(context), device=context.device)
            first = order.new_full((len(distinct),), len(context)).scatter_reduce(0, index, order, "amin")
            context = context[first]  # unique has no derivative, picking has
        return self.target.grouped(self.generate(context), *args, index=index, **kwargs)

    def ensemble(self, contexts: Context) -> Callable[..., Any]:
        """The networks of many contexts as one function of a batch that all of them see.

        ``model.ensemble(contexts)(x)`` gives ``(*contexts, B, ...)`` and takes the options of `Target.batched`. Weights
        are generated here, once, and kept: later training of the hypernet does not change them, while kept parameters,
        mode and running statistics are always the model's present ones. For inference make and call it under
        ``torch.no_grad()``; otherwise gradients reach the hypernet through every call.

        Raises:
            ContextError: for a single context, which `bake` is for.
        """
        weights = self.generate(contexts)
        if not self.target.layout.check(weights):
            raise ContextError(
                "an ensemble is of many contexts, got a single one: use bake, or a batch of one context."
            )
        return partial(self.target.batched, weights, data_dims=None)

    def bake(self, context: Context, *, buffers: Mapping[str, Tensor] | None = None) -> nn.Module:
        """One context's network as a plain module of the target's own class (see `Target.bake`)."""
        with torch.no_grad():
            return self.target.bake(self.generate(context), buffers=buffers)

    def resize(self, name: str, rows: int, *, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Give a layer of the target more output rows: more classes, words or channels.

        Target, head and slots grow together. Every number that is there stays, bit by bit, and old rows are generated
        as before, up to the rounding of longer matrix products; new rows start like the old ones. Layers behind that
        take the layer's output must be able to take more of it. Growing is for good: no row can be taken away.

        Heads that can follow are `FullHead`, `MultiHead`, `FactoredHead`, `ComponentHead` (with ``component="row"``, or
        if the layer shares its map with no other), and `Join` and `Linked` of these. Chunks would be divided anew.

        Args:
            name: of a linear or bilinear layer, an embedding, or a convolution without groups.
            rows: how many it shall have: ``out_features``, ``num_embeddings`` or ``out_channels``.
            optimizer: that trains the model; grown parameters take the place of the old ones in it, with their state,
                and zeros for new rows. Call between two steps: gradients that wait for one are dropped. Adam counts
                steps by parameter, so its first ones are up to three times as long in new rows.

        Raises:
            LayoutError: if there is no such layer, it cannot grow, or has so many rows already.
            ConfigError: if a part of the hypernet or the optimiser cannot follow. Nothing is changed then.
        """
        _resize.resize(self.target, self.hypernet, name, rows, optimizer)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Trainable parameters by role, for an optimiser: ``encoder``, ``slots``, ``body``, ``head``, ``kept``.

        Each group has its ``name``; roles without a parameter are left out, a parameter with two roles counts for the
        first. Of several hypernets the stages of equal role are one group.
        """
        known = ("encoder", "slots", "body", "head")
        groups: dict[str, list[nn.Parameter]] = {role: [] for role in (*known, "hypernet", "kept")}
        for name, parameter in self.named_parameters():
            owner, *path = name.split(".")
            role = next((part for part in path if part not in ("hypernet", "hypernets") and not part.isdigit()), "")
            if parameter.requires_grad:
                groups[(role if role in known else "hypernet") if owner == "hypernet" else "kept"].append(parameter)
        return [{"name": role, "params": parameters} for role, parameters in groups.items() if parameters]

    def count(self) -> Count:
        """Trained, generated and deployed numbers."""
        kept = sum(p.numel() for p in self.target.module.parameters())
        deployed = self.target.replaced.numel + kept
        return count(self, self.hypernet, generated=self.target.layout.numel, deployed=deployed)

    def print_trainable_parameters(self) -> None:
        """Print what is trained, in the wording that users know from PEFT, and what is generated."""
        c = self.count()
        print(
            f"trainable params: {c.trained:,} || all params: {c.total:,} || "
            f"trainable%: {100 * c.trained / max(c.total, 1):.4f} || "
            f"generated: {c.generated:,} || compression ratio: {c.compression_ratio:.2f}"
        )

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder (see `from_pretrained`)."""
        _save.save(self, self.target, self.hypernet, Path(folder))

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        target: nn.Module,
        encoder: nn.Module | None = None,
        slots: nn.Module | None = None,
        body: nn.Module | None = None,
        head: nn.Module | None = None,
        hypernet: nn.Module | None = None,
        map_location: str | torch.device = "cpu",
    ) -> "HyperDNN":
        """Load a model that `save_pretrained` wrote. Nothing is unpickled, and no code is named by the files.

        Args:
            folder: where it was saved.
            target: a fresh module of the kind that was the target; the model takes it over.
            encoder: yours, if it is not one of hyperdnn's; the same holds for ``slots``, ``body`` and ``head``.
            slots: as ``encoder``.
            body: as ``encoder``.
            head: as ``encoder``.
            hypernet: yours, if the whole hypernet is not a `Hypernet`.
            map_location: device of the loaded model.

        Raises:
            CheckpointError: if a file is missing, damaged, foreign or of another version.
            LayoutError: if the target is another one, naming the first difference.
            ConfigError: if a part is missing.
        """
        given = {"encoder": encoder, "slots": slots, "body": body, "head": head, "hypernet": hypernet}
        mine = {role: part for role, part in given.items() if part is not None}
        config = _load.read_config(Path(folder))
        model = cls(*_load.load_parts(config, Path(folder), target, mine))
        _load.load_tensors(config, Path(folder), model, model.hypernet)
        return model.to(map_location)
