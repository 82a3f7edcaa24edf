"""Serves the page to this machine alone."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.explore._page import Page
from hyperdnn.explore._scene import Scene
from hyperdnn.lab import View

__all__ = ["serve"]

_HOST: Final = "127.0.0.1"


@contextmanager
def serve(view: View, *, title: str = "hyperdnn explore", port: int | None = None) -> Iterator[str]:
    """Inside, the page of a view can be opened in a browser of this machine, and of no other.

    The page loads nothing from outside, and nothing is reported anywhere.

    Args:
        view: what there is to look at.
        title: of the page.
        port: where it is served; None takes a free one.

    Yields:
        The page's address.

    Raises:
        MissingExtraError: Gradio or plotly is not installed.
        ConfigError: the view has no contexts, or the port cannot be used.
        ContextError: contexts have no coordinates.
    """
    for package in ("gradio", "plotly"):
        if find_spec(package) is None:
            raise MissingExtraError(package, extra="explore")
    port = _usable(port)
    # read when it is imported: no word to its makers, and no question for newer versions
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    scene = Scene(view)
    with TemporaryDirectory(prefix="hyperdnn-") as folder:
        page = Page(scene, title=title, folder=Path(folder))
        _, address, _ = page.blocks.launch(
            server_name=_HOST,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            footer_links=[],
            ssr_mode=False,
            pwa=False,
            enable_monitoring=False,
            run_history=False,
            **page.style,
        )
        try:
            yield address
        finally:
            page.blocks.close(verbose=False)


def _usable(port: int | None) -> int:
    """The port, or a free one; found before anything is measured."""
    with socket.socket() as probe:
        try:
            probe.bind((_HOST, port or 0))
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise ConfigError(f"port {port} {why}. Choose another, or leave it out for a free one.") from None
        found: int = probe.getsockname()[1]
    return found
