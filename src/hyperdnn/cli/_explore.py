"""``explore``: move a trained model's context in the browser, and see what follows."""

import argparse
import sys
import threading
import webbrowser

from hyperdnn.cli._look import add_run_options, look
from hyperdnn.cli._usage import usage


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command of this file."""
    explore = commands.add_parser(
        "explore",
        help="move a trained model's context in the browser",
        description="Serves a page to this machine alone: move the context, and see the generated weights, what their "
        "network puts out, and what that costs. Ctrl-C ends it.",
        allow_abbrev=False,
    )
    add_run_options(explore)
    explore.add_argument("--port", type=_port, metavar="P", help="where to serve; a free one by default")
    explore.add_argument("--no-browser", action="store_true", help="only print the address")
    explore.set_defaults(command=explore_run)


def explore_run(options: argparse.Namespace) -> int:
    """Serves the page until it is interrupted."""
    from hyperdnn import explore

    found, view = look(options)
    if not found.finished:
        print(f"hyperdnn: warning: trained for {found.step} steps only so far", file=sys.stderr)
    title = f"{found.name}, {found.variant}"
    try:
        with usage(), explore.serve(view, title=title, port=options.port) as address:
            print(f"Open    {address}\nCtrl-C ends it.", flush=True)
            if not options.no_browser:
                webbrowser.open(address)
            threading.Event().wait()
    except KeyboardInterrupt:
        print()  # behind the terminal's ^C
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, got '{text[:100]}'")
    return int(text)
