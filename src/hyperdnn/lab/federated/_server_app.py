"""The Flower app of a server, and its clients as `lab.train.rounds` wants them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, final

from hyperdnn.errors import LayoutError
from hyperdnn.lab.federated._flower import flower
from hyperdnn.lab.federated._roster import Roster
from hyperdnn.lab.federated._site import text_of
from hyperdnn.lab.federated._wire import pack, unpack, unpack_numbers
from hyperdnn.lab.train import Clients, Reply, Sent

__all__ = ["Connect", "FlowerClients", "server_app"]

Answer = TypeVar("Answer")

Connect: TypeAlias = Callable[[str, Any], Clients]
"""Variant and configuration -> its clients; the argument ``clients`` of `lab.run`."""

_LONGEST = 300  # letters of a reason


def server_app(main: Callable[[Connect], object], *, patience: float = 60.0, timeout: float = 600.0) -> Any:
    """The app that Flower runs as the server.

    Args:
        main: what the server does: calls `lab.run` with what it is given as ``clients``.
        patience: seconds to wait for a client that was never there; afterwards it has dropped out of each round until
            it comes.
        timeout: seconds to wait for an answer; who has not answered has dropped out of the round.

    Raises:
        MissingExtraError: Flower is not installed.
    """
    app = flower("serverapp").ServerApp()

    def run(grid: Any, context: Any) -> None:  # Flower's own
        roster = Roster(grid, patience=patience, timeout=timeout)
        main(lambda variant, config: FlowerClients(roster, variant, config))

    app.main()(run)
    return app


@final
class FlowerClients:
    """Clients on the nodes of Flower.

    Args:
        roster: which node is which client.
        variant: what of the recipe they train.
        config: the recipe's configuration.
    """

    def __init__(self, roster: Roster, variant: str, config: object) -> None:
        self.roster = roster
        self.variant = variant
        self.config = text_of(config)

    def train(self, sent: Sequence[Sent]) -> Mapping[int, Reply | str]:
        """Let clients train."""
        return self._ask("train", sent, _reply)

    def evaluate(self, sent: Sequence[Sent]) -> Mapping[int, Mapping[str, float] | str]:
        """Let clients measure."""
        return self._ask("evaluate", sent, lambda one, content: unpack_numbers(content["metrics"]))

    def _ask(self, kind: str, sent: Sequence[Sent], read: Callable[[Sent, Any], Answer]) -> Mapping[int, Answer | str]:
        nodes = self.roster.find([one.client for one in sent])
        asked = {nodes[one.client]: one for one in sent if one.client in nodes}
        answers: dict[int, Answer | str] = {one.client: "no node is there for it." for one in sent}
        answers |= {one.client: "no answer came in time." for one in asked.values()}
        messages = [self._message(kind, one, node) for node, one in asked.items()]
        for message in self.roster.grid.send_and_receive(messages, timeout=self.roster.timeout):
            one = asked.get(message.metadata.src_node_id)
            if one is not None:
                answers[one.client] = _read(message, one, read)
        return answers

    def _message(self, kind: str, one: Sent, node: int) -> Any:
        app = flower()
        about = {"variant": self.variant, "config": self.config, "client": one.client, "round": one.round}
        records = {"weights": pack(one.weights), "about": app.ConfigRecord({**about, "seed": one.seed})}
        return app.Message(app.RecordDict(records), node, kind, ttl=self.roster.timeout, group_id=str(one.round))


def _reply(one: Sent, content: Any) -> Reply:
    samples = content["about"]["samples"]
    if not isinstance(samples, int):
        raise LayoutError(f"it says that it has {samples!r} samples.")
    losses = unpack_numbers(content["losses"])
    return Reply(samples=samples, change=unpack(content["change"], one.weights), losses=losses)


def _read(message: Any, one: Sent, read: Callable[[Sent, Any], Answer]) -> Answer | str:
    """What a node answered; text if that cannot be used."""
    if message.has_error():
        reason = " ".join(str(message.error.reason or "").split())
        return f"its node failed (code {message.error.code}): {reason[-_LONGEST:]}"
    try:
        return read(one, message.content)
    except LayoutError as error:
        return str(error)
    except KeyError as error:
        return f"its answer has no {error}."
