"""Which node of Flower is which client."""

import time
from collections.abc import Sequence
from typing import Any, final

from hyperdnn.lab.federated._flower import flower

__all__ = ["Roster"]

_PAUSE = 0.2  # seconds between two looks


@final
class Roster:
    """Finds the nodes of clients: each node is asked once who it is, since Flower numbers nodes as it likes.

    Args:
        grid: Flower's link to the nodes.
        patience: seconds to wait for a client that was never there.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, grid: Any, *, patience: float, timeout: float) -> None:
        self.grid = grid
        self.patience = patience
        self.timeout = timeout
        self.nodes: dict[int, int] = {}
        self.asked: set[int] = set()
        self.known: set[int] = set()

    def find(self, clients: Sequence[int]) -> dict[int, int]:
        """The nodes of these clients as far as they are there; only who was never there is waited for, and once."""
        deadline = time.monotonic() + self.patience
        self._look()
        while not self.known.union(self.nodes).issuperset(clients) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
            self._look()
        self.known.update(clients)
        return {client: self.nodes[client] for client in clients if client in self.nodes}

    def _look(self) -> None:
        present = set(self.grid.get_node_ids())
        self.nodes = {client: node for client, node in self.nodes.items() if node in present}
        self.asked &= present
        unknown = sorted(present - self.asked)
        self.asked |= present
        if not unknown:
            return
        app = flower()
        questions = [app.Message(app.RecordDict(), node, "query", ttl=self.timeout) for node in unknown]
        for message in self.grid.send_and_receive(questions, timeout=self.timeout):
            record = None if message.has_error() else message.content.get("client")
            client = None if record is None else record.get("client")
            if isinstance(client, int):
                self.nodes.setdefault(client, message.metadata.src_node_id)  # who comes second must be another one
