"""Reads the command line, calls the command, turns errors into one message and an exit code."""

import argparse
import os
import re
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hyperdnn._version import __version__
from hyperdnn.cli import _bake, _doctor, _explore, _inspect, _plan, _recipes, _reproduce, _runs, _tune
from hyperdnn.cli._usage import UsageError, is_first
from hyperdnn.errors import CheckpointWarning, GeneratorWarning, HyperDNNError, nearest


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        0 for success, 1 for failure, 2 for wrong usage, 130 for an interruption.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with _speaking():
            code = _dispatch(arguments)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse has printed its help or its complaint
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt as stop:
        if is_first():
            print(": ".join(["hyperdnn: interrupted", *map(str, stop.args)]), file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; the flush at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (HyperDNNError, OSError) as error:
        print(f"hyperdnn: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return code


@contextmanager
def _speaking() -> Iterator[None]:
    """Inside, this library's warnings are one line each, as its errors are: no file, no line of source."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
            if issubclass(category, CheckpointWarning | GeneratorWarning):
                print(f"hyperdnn: warning: {message}", file=sys.stderr)
            else:
                others(message, category, *rest, **named)

        warnings.showwarning = show
        yield


def _dispatch(arguments: list[str]) -> int:
    parser, commands = _parser()
    if not arguments:
        parser.print_help()
        return 0
    if not arguments[0].startswith("-") and arguments[0] not in commands:
        raise UsageError(f"no command '{arguments[0]}'.{nearest(arguments[0], commands)}")
    for argument in arguments:
        if argument.endswith("=--"):  # of which argparse makes an empty list, whatever the option's type
            raise UsageError(f"'{argument}': -- is no value.")
    options, rest = parser.parse_known_args(arguments)
    if arguments[0].startswith("-"):
        raise UsageError(f"'{arguments[0]}' stands before the command. Options follow it: hyperdnn COMMAND --option")
    known = re.findall(r"^  (?:-\w, )?(--[\w-]+)", commands[options.group].format_help(), re.MULTILINE)
    if rest and not options.takes_settings:
        raise UsageError(f"{options.group}: unexpected '{rest[0]}'.{nearest(rest[0], known)}")
    options.rest, options.known = rest, known
    options.line = shlex.join(["hyperdnn", *arguments])
    code: int = options.command(options)
    return code


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(
        prog="hyperdnn",
        description="Hypernetworks for PyTorch: recipes of published systems.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hyperdnn {__version__}")
    parser.set_defaults(takes_settings=False)
    commands = parser.add_subparsers(metavar="COMMAND", dest="group", required=True)
    for group in (_runs, _recipes, _reproduce, _tune, _plan, _inspect, _explore, _bake, _doctor):
        group.add_commands(commands)
    return parser, commands.choices
