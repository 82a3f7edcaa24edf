import warnings
from pathlib import Path

import pytest

from hyperdnn.lab._discover import load
from hyperdnn.lab.config import override
from hyperdnn.lab.federated import client_app, server_app
from hyperdnn.lab.federated._flower import flower

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of what Flower imports
    for name in ("app", "clientapp", "serverapp"):
        flower(name)
    from flwr.app import ConfigRecord, Context, Error, Message, RecordDict, UserConfig
    from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
    from flwr.supercore.task_identity import TaskIdentity

RECIPE = str(Path(__file__).parents[3] / "reliability" / "clients.py")


class FakeGrid:
    """Nodes in this process, in another order than their clients'. Messages pass through Flower's own bytes."""

    def __init__(self, app, clients):
        self.app = app
        self.contexts = {
            900 - client: Context(
                run_id=1,
                node_id=900 - client,
                node_config=UserConfig({"partition-id": client}),
                state=RecordDict(),
                run_config=UserConfig(),
            )
            for client in clients
        }
        self.sent = []
        self.silent = set()  # nodes that do not answer
        self.forge = lambda node, kind, content: content

    def get_node_ids(self):
        return list(self.contexts)

    def send_and_receive(self, messages, *, timeout=None):
        answers = [self._answer(message) for message in messages]
        return [answer for answer in reversed(answers) if answer is not None]

    def _answer(self, message):
        node, kind = message.metadata.dst_node_id, message.metadata.message_type
        self.sent.append((node, kind))
        if node in self.silent and kind != "query":
            return None
        message = Message(_through_bytes(message.content), node, kind, group_id=message.metadata.group_id)
        try:
            answer = self.app(message, self.contexts[node])
        except Exception as error:
            return Message(Error(2, f"ClientAppException: {error}"), reply_to=message)
        return Message(_through_bytes(self.forge(node, kind, answer.content)), reply_to=message)


def _through_bytes(content):
    records = recorddict_to_proto(content)
    return recorddict_from_proto(type(records).FromString(records.SerializeToString()))


@pytest.fixture(autouse=True)
def _identity(monkeypatch, tmp_path):
    """What Flower knows of the process that makes messages."""
    monkeypatch.setenv("FLWR_HOME", str(tmp_path / "flower"))
    monkeypatch.setattr(TaskIdentity, "_run_id", 1)
    monkeypatch.setattr(TaskIdentity, "_task_id", 1)
    monkeypatch.setattr(TaskIdentity, "_node_id", 1)


@pytest.fixture
def config():
    changes = {"clients": 5, "train.iterations": 6, "client.evaluate_every": 4, "train.checkpoint_every": 2}
    return override(load(RECIPE).config(), changes)


@pytest.fixture
def grid(config):
    return FakeGrid(client_app(RECIPE), range(config.clients))


@pytest.fixture
def serve():
    def serve(grid, main, **options):
        server_app(main, **options)(grid, Context(1, 1, UserConfig(), RecordDict(), UserConfig()))

    return serve


@pytest.fixture
def message():
    def message(kind, content=None, node=900):
        return Message(content or RecordDict(), node, kind)

    return message


@pytest.fixture
def about():
    def about(**values):
        return ConfigRecord({"variant": "hypernet", "client": 0, "round": 0, "seed": 1, **values})

    return about
