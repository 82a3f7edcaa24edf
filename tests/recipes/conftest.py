import pytest

from hyperdnn.lab.train import _pretrained


@pytest.fixture(scope="session", autouse=True)
def _bases_of_the_tests(tmp_path_factory):
    """What recipes pretrain goes into a folder of the tests', once for all of them."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pretrained, "cache_folder", lambda: folder)
        yield
