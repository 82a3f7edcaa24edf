"""Write a file, read it back, compare; only then it takes its place."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from hyperdnn.errors import CheckpointError, ExportError
from hyperdnn.export._example import Example
from hyperdnn.export._exported import Difference, Exported, difference

__all__ = ["write"]

Run = Callable[..., Any]


def write(
    module: nn.Module, path: Path, example: Example, save: Callable[[Path], Any], read: Callable[[Path], Run]
) -> Exported:
    """Write beside the place, read back, compare with the network, and move.

    Args:
        module: what is exported, in evaluation.
        path: of the file; its folder is made if it does not exist.
        example: what is compared, with other sizes too.
        save: writes to the path that it gets, and perhaps to files beside it.
        read: makes a function of what lies there, which takes the network's inputs.

    Raises:
        ExportError: if the network computes something else each time, or what was read back does.
        CheckpointError: if nothing can be written there.
    """
    with _beside(path) as place:
        save(place)
        run = read(place)
        found = _compared(module, run, example)
        size = sum(file.stat().st_size for file in place.parent.iterdir())
    numbers = sum(tensor.numel() for tensor in [*module.parameters(), *module.buffers()])
    return Exported(path, size, numbers, found, run)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A path of the same name in a folder of its own, from which everything moves to its place in the end."""
    if os.path.isdir(path):  # the method fails for names that cannot be
        raise CheckpointError(f"{path} is a folder: name a file to export into.")
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(stack.enter_context(TemporaryDirectory(prefix=".export-", dir=path.parent)))
            (folder / path.name).touch()  # a name that cannot be is refused before there is work to lose
        except (FileExistsError, NotADirectoryError) as error:
            raise CheckpointError(f"{path.parent} is a file, not a folder to export into.") from error
        except (OSError, ValueError) as error:  # ValueError: a null byte in the path
            raise CheckpointError(f"{path} cannot be exported into: {error}.") from error
        yield folder / path.name
        for file in sorted(folder.iterdir()):
            os.replace(file, path.parent / file.name)


def _compared(module: nn.Module, run: Run, example: Example) -> Difference:
    expected = example.call(module)
    again = difference(example.call(module), expected)
    if not again.outputs:
        raise ExportError(f"{type(module).__name__} returns no tensors, of which a file could be compared.")
    if again.largest:
        raise ExportError(
            f"{type(module).__name__} returns something else in each call, which no file does: it draws random "
            "numbers. model.bake(context) draws a network once and for all."
        )
    found = _checked(example.call(run), expected, "the example")
    for what, other in example.others():
        try:
            expected = other.call(module)
        except (RuntimeError, ValueError, TypeError, IndexError):
            continue  # nor does the network itself take them
        try:
            outputs = other.call(run)
        except Exception as error:  # each format has kinds of its own
            raise ExportError(f"what was read back does not take {what}: {error}") from error
        found = max(found, _checked(outputs, expected, what), key=lambda one: one.largest)
    return found


def _checked(outputs: Any, expected: Any, what: str) -> Difference:
    found = difference(outputs, expected)
    if not found.within:
        raise ExportError(f"what was read back computes something else than the network for {what}: {found}.")
    return found
