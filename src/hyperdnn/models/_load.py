"""Read a model that was saved, trusting nothing in the files."""

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from hyperdnn.errors import CheckpointError, ConfigError, HyperDNNError, LayoutError
from hyperdnn.layout import ParamLayout
from hyperdnn.models._files import read_json, read_shapes, read_tensors
from hyperdnn.models._hypernet import Hypernet
from hyperdnn.models._parts import build_combine, build_part
from hyperdnn.models._save import CONFIG, FORMAT, TENSORS
from hyperdnn.models._sizes import check_sizes
from hyperdnn.protocols import Combine
from hyperdnn.targets import Target

_T = TypeVar("_T")
_FLOATS = {torch.float32, torch.float64, torch.bfloat16, torch.float16}

__all__ = ["load_parts", "load_tensors", "read_config"]


def load_parts(
    config: dict[str, Any], folder: Path, module: nn.Module, mine: dict[str, nn.Module]
) -> tuple[Target, nn.Module]:
    """Target and hypernet as configured, their tensors still to be filled.

    The module is taken over last, so that a folder which does not fit leaves it as it was.

    Raises:
        CheckpointError: if the configuration is damaged.
        LayoutError: if the module is not the one that the model was saved for.
        ConfigError: if a part of the user's own is missing.
    """
    try:
        saved = config["target"]
        combine, names = build_combine(saved["combine"]), tuple(saved["select"])
        layout = ParamLayout.from_json(config["layout"]["specs"])
        if layout.fingerprint != config["layout"]["fingerprint"]:
            raise CheckpointError(f"{folder / CONFIG} is damaged: its layout is not the one of its fingerprint.")
        _same_target(folder, saved["class"], layout, module, names, combine)
        _check_switches(config)
        if config["hypernet"]["own"]:
            path = folder / TENSORS
            check_sizes(config["hypernet"]["parts"], layout, _with_shared(read_shapes(path), config, path), path)
        hypernet = _hypernet(config["hypernet"], layout, mine)
        options = {"buffers": saved["buffers"], "train_base": saved["train_base"]}
        return Target(module, names, combine=combine, **options), hypernet
    except HyperDNNError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise CheckpointError(f"{folder / CONFIG} is not a configuration of hyperdnn: {error!r}.") from error


def load_tensors(config: dict[str, Any], folder: Path, model: nn.Module, hypernet: nn.Module) -> None:
    """Fill a model with the saved tensors, in their number formats, and freeze what was frozen.

    Raises:
        CheckpointError: if the file is missing, damaged or foreign, naming the first tensor that does not fit.
    """
    tensors = _read_tensors(config, folder)
    _check(tensors, model.state_dict(), folder / TENSORS)
    formats = {t.dtype for name, t in tensors.items() if name.startswith("hypernet.") and t.is_floating_point()}
    if len(formats) == 1:
        hypernet.to(formats.pop())  # also what is not saved, such as the format in which noise is drawn
    # Values go into the tensors that are there: tied parameters stay tied.
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if name in tensors:
            tensor.data = tensor.data.to(tensors[name].dtype)
    model.load_state_dict(tensors)
    parameters = dict(model.named_parameters())
    for name in config["frozen"]:
        if name not in parameters:
            raise CheckpointError(
                f"{folder / CONFIG} is damaged: '{name}', which it calls frozen, is not in the model."
            )
        parameters[name].requires_grad_(False)


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration, known to be of this format and no more.

    Raises:
        CheckpointError: if it is missing, damaged or of another format.
    """
    path = folder / CONFIG
    config = read_json(path)
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else None
        raise CheckpointError(f"{path}: expected format {FORMAT}, found {found}. It needs another version of hyperdnn.")
    for key, kind in (("target", dict), ("hypernet", dict), ("layout", dict), ("shared", dict), ("frozen", list)):
        if not isinstance(config.get(key), kind):
            raise CheckpointError(f"{path} is not a configuration of hyperdnn: '{key}' is missing or damaged.")
    return config


def _same_target(
    folder: Path, kind: str, layout: ParamLayout, module: nn.Module, names: tuple[str, ...], combine: Combine
) -> None:
    known = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    absent = [name for name in names if name not in known]
    if absent:
        raise LayoutError(
            f"{folder} was saved for another target ({kind}): '{absent[0]}' is not in {type(module).__name__}."
        )
    parts = [part for spec in ParamLayout.of(module, *names) for part in combine.specs(spec)]
    difference = layout.difference(ParamLayout(tuple(parts)))
    if difference is not None:
        raise LayoutError(f"{folder} was saved for another target: in its layout {difference}.")


def _check_switches(config: dict[str, Any]) -> None:
    """Truth values are that and nothing else: what is merely not empty would count as true."""
    hypernet, frozen = config["hypernet"], config["frozen"]
    switches = {"train_base": config["target"]["train_base"], "own": hypernet["own"]}
    switches |= {"stream": hypernet.get("stream", False)}
    switches |= {f"own of the {role}": part["own"] for role, part in hypernet.get("parts", {}).items()}
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise TypeError(f"'{name}': expected true or false, got {value!r}")
    if not all(isinstance(name, str) for name in frozen):
        raise TypeError("'frozen': expected a list of names")


def _hypernet(saved: dict[str, Any], layout: ParamLayout, mine: dict[str, nn.Module]) -> nn.Module:
    wanted = {role for role, part in saved["parts"].items() if not part["own"]} if saved["own"] else {"hypernet"}
    surplus = set(mine) - wanted
    if surplus:
        role = min(surplus)
        raise ConfigError(f"{role}= was passed, but the saved {role} is hyperdnn's own and is built from the file.")
    if not saved["own"]:
        if "hypernet" not in mine:
            kind = saved["class"]
            raise ConfigError(f"the saved hypernet is a {kind} of your own: pass from_pretrained(..., hypernet=...).")
        return mine["hypernet"]
    parts = {role: build_part(role, part, layout, mine) for role, part in saved["parts"].items()}
    return Hypernet(
        encoder=parts["encoder"],
        slots=parts.get("slots"),
        body=parts["body"],
        head=parts["head"],
        stream=saved.get("stream") is True,
    )


def _read_tensors(config: dict[str, Any], folder: Path) -> dict[str, Tensor]:
    path = folder / TENSORS
    return _with_shared(read_tensors(path), config, path)


def _with_shared(found: dict[str, _T], config: dict[str, Any], path: Path) -> dict[str, _T]:
    """What was saved once for several names, under all of them."""
    for name, source in config["shared"].items():
        if not isinstance(source, str) or source not in found:
            raise CheckpointError(f"{path}: '{source}', shared with '{name}', is missing.")
    return {**found, **{name: found[source] for name, source in config["shared"].items()}}


def _check(tensors: dict[str, Tensor], expected: dict[str, Tensor], path: Path) -> None:
    for name in [*expected, *tensors]:
        if name not in tensors or name not in expected:
            state = "missing from the file" if name in expected else "not part of this model"
            raise CheckpointError(f"{path}: '{name}' is {state}. Was it saved by another model?")
        saved, wanted = tensors[name], expected[name]
        if saved.shape != wanted.shape:
            raise CheckpointError(f"{path}: '{name}' is {tuple(saved.shape)}, expected {tuple(wanted.shape)}.")
        if saved.dtype != wanted.dtype and not {saved.dtype, wanted.dtype} <= _FLOATS:
            raise CheckpointError(f"{path}: '{name}' is {saved.dtype}, expected {wanted.dtype}.")
        if wanted.is_meta:
            raise ConfigError(f"'{name}' is on the meta device and cannot be filled: pass a target with real tensors.")
