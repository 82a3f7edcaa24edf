import pytest

from hyperdnn.lab.train import _pretrained


@pytest.fixture(scope="session")
def bases(tmp_path_factory):
    """What recipes pretrain in tests, once for all of them."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _keep_bases(bases, monkeypatch):
    monkeypatch.setattr(_pretrained, "cache_folder", lambda: bases)
