"""``bake``: one context's network out of a run, as a file for other tools."""

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperdnn.cli._look import add_run_options, look
from hyperdnn.cli._usage import UsageError, usage
from hyperdnn.errors import ContextError, ExportError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hyperdnn.cli._choose import Chosen
    from hyperdnn.export import Exported
    from hyperdnn.lab import Trained

_ENDINGS = {"safetensors": ".safetensors", "torch-export": ".pt2", "onnx": ".onnx", "peft": ""}
_LOADING = {
    "safetensors": "safetensors.torch.load_model(net, {path!r})",
    "torch-export": "torch.export.load({path!r}).module()",
    "onnx": "onnxruntime.InferenceSession({path!r})",
    "peft": "peft.PeftModel.from_pretrained(net, {path!r})",
}


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command of this file."""
    bake = commands.add_parser(
        "bake",
        help="one context's network as a file for other tools",
        description="Generates the network of one context from a trained run and writes it: its weights, a program "
        "that torch runs, an ONNX file, or an adapter for PEFT. What was written is read back, and its outputs are "
        "compared with the HyperDNN's own.",
        epilog='A context is its name ("task 3"), its number (3), or the numbers of a context vector (0.3,0.7; with '
        "--context=-1,2 if the first is negative).",
        allow_abbrev=False,
    )
    add_run_options(bake)
    bake.add_argument("--context", required=True, metavar="C", help="whose network: a name, a number, or numbers")
    bake.add_argument("--to", required=True, choices=tuple(_ENDINGS), help="the form")
    bake.add_argument("--out", type=Path, metavar="PATH", help="of the file; by default in the folder RUN/baked")
    bake.add_argument("--shape", type=_shape, metavar="N,N", help="of one input, to compare on drawn ones")
    bake.add_argument("--json", action="store_true", help="what was written, as JSON")
    bake.set_defaults(command=bake_run)


def bake_run(options: argparse.Namespace) -> int:
    """Bakes, writes, compares, and says what lies where."""
    from hyperdnn.cli._choose import choose, inputs_for

    found, view = look(options)
    with usage():
        chosen = choose(view, options.context)
        inputs, what = inputs_for(view, chosen, options.shape)
    model = view.model.eval()
    baked, expected, whose = _baked(model, chosen, inputs)
    path = _path(options, found, chosen)
    exported = _write(options.to, model, baked, path, inputs, chosen, found)
    said = {
        "recipe": found.name,
        "variant": found.variant,
        "seed": found.config.seed,
        "step": found.step,
        "finished": found.finished,
        "context": chosen.name,
        "form": options.to,
        "path": str(exported.path),
        "bytes": exported.bytes,
        "numbers": exported.numbers,
        **_compared(exported, inputs, expected, whose),
        "compared_on": what,
        "compared_with": whose,
    }
    print(json.dumps(said, indent=2) if options.json else _text(said, type(baked).__name__))
    return 0


def _baked(model: Any, chosen: "Chosen", inputs: "Tensor") -> tuple["nn.Module", Any, str]:
    """The network, what it should compute, and in a word whose outputs these are."""
    import torch

    from hyperdnn.export import difference

    with torch.no_grad():
        with usage(also=(ContextError,)):  # such as shares that do not add up to one
            weights = model.generate(chosen.context)
        baked = model.target.bake(weights).eval()
        try:
            expected, again = (model.call(weights, inputs) for _ in range(2))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise UsageError(f"inputs of shape {tuple(inputs.shape[1:])} do not fit the network: {error}") from None
        if difference(again, expected).largest:  # a distribution over weights: baking has drawn from it
            return baked, baked(inputs), "the network that was drawn"
        return baked, expected, "the HyperDNN"


def _write(
    form: str, model: Any, baked: "nn.Module", path: Path, inputs: "Tensor", chosen: "Chosen", found: "Trained"
) -> "Exported":
    from hyperdnn import export
    from hyperdnn.cli._adapter import write_adapter

    if form == "peft":
        return write_adapter(model, baked, path, inputs, chosen.context)
    if form == "onnx":
        return export.onnx(baked, path, inputs)
    if form == "torch-export":
        return export.program(baked, path, inputs)
    facts = {"recipe": found.name, "variant": found.variant, "seed": str(found.config.seed), "context": chosen.name}
    return export.safetensors(baked, path, inputs, metadata=facts)


def _compared(exported: "Exported", inputs: "Tensor", expected: Any, whose: str) -> dict[str, float]:
    import torch

    from hyperdnn.export import difference

    with torch.no_grad():
        found = difference(exported.run(inputs), expected)
    if not found.within:
        raise ExportError(f"{exported.path} computes something else than {whose}: {found}.")
    return {"largest_difference": found.largest, "allowed_difference": found.limit}


def _path(options: argparse.Namespace, found: "Trained", chosen: "Chosen") -> Path:
    words = [
        *([found.variant] if options.variant else []),
        *([f"seed {options.seed}"] if options.seed is not None else []),
        chosen.name,
    ]
    name = re.sub(r"[^\w.-]+", "-", " ".join(words)).strip("-") + _ENDINGS[options.to]
    if options.out is None:
        return options.run / "baked" / name  # type: ignore[no-any-return]
    if options.out.is_dir() and options.to != "peft":
        return options.out / name  # type: ignore[no-any-return]
    return options.out  # type: ignore[no-any-return]


def _text(said: dict[str, Any], kind: str) -> str:
    state = f"after {said['step']:,} steps" + ("" if said["finished"] else ", training not finished")
    loading = _LOADING[said["form"]].format(path=said["path"])
    return (
        f"Network   {kind} for {said['context']}: {said['recipe']}, {said['variant']}, seed {said['seed']}, {state}\n"
        f"Written   {said['path']} ({said['numbers']:,} numbers, {_size(said['bytes'])})\n"
        f"Compared  with {said['compared_with']} on {said['compared_on']}: largest difference "
        f"{said['largest_difference']:.2g}, at most {said['allowed_difference']:.2g} allowed\n"
        f"Load      {loading}"
    )


def _size(number: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000  # type: ignore[assignment]
    return f"{number:.3g} GB"


def _shape(text: str) -> list[int]:
    words = text.split(",")
    if not all(re.fullmatch(r"[1-9]\d{0,8}", word) for word in words):
        raise argparse.ArgumentTypeError(f"expected whole numbers from 1, such as 1,28,28, got '{text[:100]}'")
    return [int(word) for word in words]
