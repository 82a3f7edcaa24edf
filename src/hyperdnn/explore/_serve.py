"""Serves the page to this machine alone."""

import os
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
        ConfigError: the view has no contexts, or the port is in use.
        ContextError: contexts have no coordinates.
    """
    for package in ("gradio", "plotly"):
        if find_spec(package) is None:
            raise MissingExtraError(package, extra="explore")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when it is imported: no word to its makers
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    scene = Scene(view)
    with TemporaryDirectory(prefix="hyperdnn-") as folder:
        page = Page(scene, title=title, folder=Path(folder))
        try:
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
        except OSError as error:
            raise ConfigError(f"port {port} cannot be used ({error}). Choose another, or none.") from None
        try:
            yield address
        finally:
            page.blocks.close(verbose=False)
