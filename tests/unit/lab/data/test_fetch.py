import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import DataError, Source, available, path
from hyperdnn.lab.data import _fetch as module

CONTENT = b"seven numbers"
CLOSED = "http://127.0.0.1:9/"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """One small set, a cache of its own, no proxy; returns the cache."""
    offer(monkeypatch, CLOSED)
    monkeypatch.delenv("HYPERDNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "hyperdnn" / "tiny"


def offer(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    tiny = Source(
        title="Tiny", terms="none", addresses=addresses, sha256={"a.bin": hashlib.sha256(CONTENT).hexdigest()}
    )
    monkeypatch.setattr(module, "SOURCES", {"tiny": tiny})


def put(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True)
    (folder / "a.bin").write_bytes(content)
    return folder / "a.bin"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    put(tmp_path / "www")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "www"))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_folder_in_the_variable_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERDNN_DATA", str(tmp_path))
    assert not available("tiny")
    file = put(tmp_path / "tiny")
    assert available("tiny")
    assert path("tiny", "a.bin") == file


def test_file_missing_from_the_folder_is_never_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    offer(monkeypatch, address)
    monkeypatch.setenv("HYPERDNN_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"'tiny': expected .*a.bin, found no such file.*unset HYPERDNN_DATA"):
        path("tiny", "a.bin")


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERDNN_DATA", str(tmp_path))
    put(tmp_path / "tiny", b"something else")
    with pytest.raises(DataError, match=r"a.bin is damaged or another version: expected sha256"):
        path("tiny", "a.bin")


def test_checksum_is_computed_once(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(source)
    digests: list[str] = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *a: digests.append("x") or digest(*a))
    assert path("tiny", "a.bin") == path("tiny", "a.bin")
    assert len(digests) == 1


def test_download_fills_the_cache(source: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, CLOSED, address)  # the second address is tried when the first is silent
    assert not available("tiny")
    file = path("tiny", "a.bin")
    assert file.parent == source
    assert file.read_bytes() == CONTENT
    assert available("tiny")


def test_a_wrong_download_is_refused(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "www" / "a.bin").write_bytes(b"a portal's login page")
    offer(monkeypatch, address)
    with pytest.raises(DataError, match=r"could not be downloaded"):
        path("tiny", "a.bin")
    assert not available("tiny")


def test_no_network_names_the_way_out() -> None:
    with pytest.raises(DataError, match=r"Fetch it by hand into a folder '<data>/tiny' and set HYPERDNN_DATA=<data>"):
        path("tiny", "a.bin")


def test_unknown_names_get_advice() -> None:
    with pytest.raises(ConfigError, match=r"no data set 'tinny'. Did you mean 'tiny'\?"):
        available("tinny")
    with pytest.raises(ConfigError, match=r"'tiny' has no file 'b.bin'. Did you mean 'a.bin'\?"):
        path("tiny", "b.bin")


def test_a_file_that_is_offered_nowhere_says_how_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Source(title="Tiny", terms="none", sha256={"a.bin": "0" * 64}, made="Seven numbers in a row.")
    monkeypatch.setattr(module, "SOURCES", {"tiny": tiny})
    with pytest.raises(DataError, match=r"offered nowhere in this form\. Seven numbers.*set HYPERDNN_DATA=<data>"):
        path("tiny", "a.bin")
