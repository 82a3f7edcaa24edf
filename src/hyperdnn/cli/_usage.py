"""Wrong usage, told apart from failure: exit code 2 instead of 1."""

import argparse
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import final

from hyperdnn.errors import ConfigError, HyperDNNError, nearest


@final
class UsageError(HyperDNNError):
    """What was typed cannot be meant."""


@contextmanager
def usage(*, also: tuple[type[HyperDNNError], ...] = ()) -> Iterator[None]:
    """Inside, errors are about what the user typed or wrote into a file, so it is wrong usage.

    Args:
        also: errors of which that is true, besides `ConfigError` and those of the system about files and folders.
    """
    typed: tuple[type[HyperDNNError], ...] = (ConfigError, *also)
    try:
        yield
    except typed as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"'{str(error.filename)[:200]}': {error.strerror}.") from None


def is_first() -> bool:
    """Whether this process is the one that speaks, of those that train together; torchrun and Fabric tell each one."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def count(text: str) -> int:
    """The type of an option that counts something."""
    if not text.isdecimal() or len(text) > 18 or int(text) == 0:
        most = " of 18 digits at most" if len(text) > 18 else ""
        raise argparse.ArgumentTypeError(f"expected a whole number from 1{most}, got '{text[:100]}'")
    return int(text)


def typed_settings(arguments: Sequence[str], *, settings: Collection[str], options: Collection[str]) -> dict[str, str]:
    """Typed settings, ``--train.iterations 100`` or ``--train.iterations=100``, as names and texts.

    Args:
        arguments: what is left of the command line once the command's own options are taken out.
        settings: the names that can be set.
        options: the command's own options, for advice on a misspelt one.

    Raises:
        UsageError: a word without a name, an unknown name (with the nearest one), or a name without a value.
    """
    typed: dict[str, str] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            raise UsageError(f"unexpected '{word}'. A setting is typed as --name value.")
        option, equals, text = word.partition("=")
        name = option[2:].replace("-", "_")
        if name not in settings:
            known = [*(f"--{setting}" for setting in settings), *options]
            raise UsageError(f"no setting '{option}'.{nearest(option, known)}")
        if not equals:
            if not words or words[0].startswith("--"):
                raise UsageError(f"{option} has no value. A setting is typed as --name value.")
            text = words.pop(0)
        typed[name] = text
    return typed
