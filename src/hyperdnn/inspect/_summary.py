"""Who generates what."""

from torch import nn

from hyperdnn.layout import ParamLayout
from hyperdnn.models import HyperDNN, Hypernet

__all__ = ["summary"]


def summary(model: HyperDNN) -> str:
    """A tree of the model: hypernet stage by stage, target layer by layer, and the numbers that people ask for.

    Memory is that of one context's generated weights in the target's own number format.
    """
    hypernet, target = model.hypernet, model.target
    lines = ["HyperDNN", f"├─ hypernet: {type(hypernet).__name__}  {_numbers(hypernet)}"]
    if isinstance(hypernet, Hypernet):
        stages = ("encoder", "slots", "body", "head")
        parts = {stage: getattr(hypernet, stage) for stage in stages}
        rows = [f"{s}: {type(p).__name__}{_detail(p)}  {_numbers(p)}" for s, p in parts.items() if p is not None]
        lines += _branch(rows, "│  ")
    lines.append(f"└─ target: {type(target.module).__name__}  (combine: {type(target.combine).__name__})")
    lines += _branch(_layers(target.layout, target.module), "   ")
    c = model.count()
    size = sum(spec.numel * spec.dtype.itemsize for spec in target.layout)
    lines += [
        "",
        f"trained     {c.trained:>14,}",
        f"generated   {c.generated:>14,}  ({size / 2**20:,.2f} MiB for one context)",
        f"deployed    {c.deployed:>14,}",
        f"compression {c.compression_ratio:>14.2f}  generated numbers for each parameter of the hypernet",
    ]
    return "\n".join(lines)


def _layers(layout: ParamLayout, module: nn.Module) -> list[str]:
    generated: dict[str, list[str]] = {}
    for spec in layout:
        owner, _, leaf = spec.name.rpartition(".")
        tied = f" (also {', '.join(spec.aliases)})" if spec.aliases else ""
        generated.setdefault(owner, []).append(f"{leaf} {spec.shape}{tied}")
    kept: dict[str, list[str]] = {}
    for name, parameter in module.named_parameters():
        owner, _, leaf = name.rpartition(".")
        kept.setdefault(owner, []).append(
            f"{leaf} {tuple(parameter.shape)}{'' if parameter.requires_grad else ' frozen'}"
        )
    order = [*dict.fromkeys([*(name for name, _ in module.named_modules()), *generated])]
    rows = []
    for owner in order:
        parts = [f"generated: {', '.join(generated[owner])}"] if owner in generated else []
        parts += [f"kept: {', '.join(kept[owner])}"] if owner in kept else []
        rows += [f"{owner or '(itself)'}  {'; '.join(parts)}"] if parts else []
    return rows


def _detail(part: nn.Module) -> str:
    counts = {name: getattr(part, name, None) for name in ("contexts", "slots", "chunk", "unused")}
    shown = [f"{value:,} {name}" for name, value in counts.items() if isinstance(value, int) and value]
    return f" ({', '.join(shown)})" if shown else ""


def _numbers(module: nn.Module) -> str:
    return f"{sum(p.numel() for p in module.parameters()):,} parameters"


def _branch(rows: list[str], indent: str) -> list[str]:
    return [f"{indent}{'└─' if i == len(rows) - 1 else '├─'} {row}" for i, row in enumerate(rows)]
