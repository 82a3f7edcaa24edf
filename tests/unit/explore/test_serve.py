import gc
import socket
import urllib.error
import urllib.request

import pytest

from hyperdnn import explore, lab
from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.explore import _serve

# its server leaves event loops to the collector, and asks for parts of websockets that are going
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning"
)


@pytest.fixture(autouse=True)
def _collected():
    yield
    gc.collect()


def test_the_page_is_there_until_the_end(tasks):
    pytest.importorskip("gradio")
    with explore.serve(tasks, title="three tasks") as address:
        assert address.startswith("http://127.0.0.1:")
        page = urllib.request.urlopen(address, timeout=60).read().decode()
        assert "three tasks" in page
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=5)


@pytest.mark.parametrize("package", ["gradio", "plotly"])
def test_a_missing_extra_is_named(package, monkeypatch, tasks):
    found = _serve.find_spec
    monkeypatch.setattr(_serve, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*hyperdnn\[explore\]"):
        explore.serve(tasks).__enter__()


def test_a_view_that_cannot_be_explored_leaves_nothing_behind(tasks, monkeypatch):
    with pytest.raises(ValueError, match="no contexts"):
        explore.serve(lab.View(model=tasks.model, contexts=tasks.contexts[:0], names=[])).__enter__()


def test_a_port_in_use_is_said_before_anything_is_measured(tasks, monkeypatch):
    monkeypatch.setattr(_serve, "Scene", None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use. Choose another"):
            explore.serve(tasks, port=port).__enter__()
