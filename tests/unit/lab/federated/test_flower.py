import sys

import pytest

from hyperdnn.errors import MissingExtraError
from hyperdnn.lab.federated import client_app, server_app
from hyperdnn.lab.federated._flower import flower


def test_a_module_of_flower_is_given():
    assert flower().__name__ == "flwr.app"
    assert flower("clientapp").ClientApp


@pytest.mark.parametrize("use", [lambda _: client_app("any"), lambda _: server_app(print)])
def test_without_flower_the_extra_is_named(monkeypatch, config, use):
    for name in [*(name for name in sys.modules if name.startswith("flwr.")), "flwr.clientapp", "flwr.serverapp"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r'flwr is not installed. Type: pip install "hyperdnn\[fed\]"'):
        use(config)


def test_nothing_is_reported_to_its_makers(monkeypatch):
    monkeypatch.delenv("FLWR_TELEMETRY_ENABLED", raising=False)
    flower()
    import os

    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"
