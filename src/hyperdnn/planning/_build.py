"""The hypernet of a strategy: itself, and as code."""

import torch
from torch import Tensor, nn

from hyperdnn import bodies, encoders
from hyperdnn.models import Hypernet
from hyperdnn.planning._strategies import FEATURES, Strategy
from hyperdnn.planning._subject import Subject
from hyperdnn.targets import LowRank

__all__ = ["after_encoder", "as_code", "generate"]


def after_encoder(strategy: Strategy, hidden: int, *, device: torch.device, dtype: torch.dtype) -> Hypernet:
    """Slots, body and head; nothing encodes the context, whose features are given."""
    head = strategy.make(device=device, dtype=dtype)
    slots, width = None, FEATURES
    if strategy.plan is not None:
        slots, width = encoders.Slots(strategy.plan.slots, FEATURES, device=device, dtype=dtype), 2 * FEATURES
    body = bodies.MLP(width, hidden, hidden, activation="gelu", device=device, dtype=dtype)
    return Hypernet(encoder=nn.Identity(), slots=slots, body=body, head=head)


def generate(hypernet: nn.Module, strategy: Strategy, subject: Subject, features: Tensor) -> None:
    """Generate the weights of contexts with given features; of a low-rank change build the product as well."""
    weights = hypernet(features)
    combine = strategy.combine or subject.combine
    if not isinstance(combine, LowRank):
        return  # what the others compute is as nothing beside the head
    for spec in subject.replaced:
        base = features.new_zeros(()).expand(spec.shape)
        combine([weights[part.name] for part in combine.specs(spec)], base, spec.shape)


def as_code(strategy: Strategy, subject: Subject, *, contexts: int, hidden: int) -> str:
    """What builds ``model``, given ``net``, or given ``target`` where there is one."""
    slots = strategy.plan is not None
    move = [] if subject.device.type == "cpu" else [f'"{subject.device}"']
    move += [] if subject.dtype == torch.get_default_dtype() else [str(subject.dtype)]
    lines = [*(["import torch"] if "torch." in "".join(move) else []), "import hyperdnn as hd"]
    lines += [f"from hyperdnn import bodies, encoders, heads{', targets' if strategy.combine else ''}", ""]
    if subject.arguments is not None:
        combine = f", combine=targets.{strategy.combine}" if strategy.combine else ""
        lines += [f"target = hd.Target(net{subject.arguments}{combine})"]
    lines += [strategy.code, "hypernet = hd.Hypernet(", f"    encoder=encoders.Table({contexts}, {FEATURES}),"]
    if slots:
        lines += [f"    slots=encoders.Slots(head.slots, {FEATURES}),"]
    width = 2 * FEATURES if slots else FEATURES
    lines += [f'    body=bodies.MLP({width}, {hidden}, {hidden}, activation="gelu"),', "    head=head,"]
    lines += [f").to({', '.join(move)})" if move else ")", "model = hd.HyperDNN(target, hypernet)"]
    return "\n".join(lines)
