"""The Flower app of a client."""

import hashlib
from typing import Any

from hyperdnn.errors import ConfigError
from hyperdnn.lab._threads import computing_with
from hyperdnn.lab.federated._flower import flower
from hyperdnn.lab.federated._site import Site, site
from hyperdnn.lab.federated._wire import pack, pack_numbers, unpack
from hyperdnn.lab.train import Sent

__all__ = ["client_app"]


def client_app(recipe_name: str) -> Any:
    """The app that each node runs for its client.

    The node says which client it is by Flower's ``partition-id``. The recipe is named here and not by the server, which
    only chooses a variant and settings. What stays with the client is kept in the state that Flower keeps for a node.

    Args:
        recipe_name: as for ``hyperdnn run``.

    Raises:
        MissingExtraError: Flower is not installed.
    """
    app, message_of = flower("clientapp").ClientApp(), flower().Message

    # Flower hands these functions its own messages and contexts.
    def who(message: Any, context: Any) -> Any:
        records = flower().RecordDict({"client": flower().ConfigRecord({"client": _number(context)})})
        return message_of(records, reply_to=message)

    def train(message: Any, context: Any) -> Any:
        here, sent, key = _received(recipe_name, message, context)
        own = unpack(context.state[key], here.client.own) if key in context.state else here.client.own
        with computing_with(1):
            reply, own = here.client.train(sent, here.task(sent.client), own)
        if own:
            context.state[key] = pack(own)
        records = {
            "change": pack(reply.change),
            "losses": pack_numbers(reply.losses),
            "about": flower().ConfigRecord({"samples": reply.samples}),
        }
        return message_of(flower().RecordDict(records), reply_to=message)

    def evaluate(message: Any, context: Any) -> Any:
        here, sent, key = _received(recipe_name, message, context)
        own = unpack(context.state[key], here.client.own) if key in context.state else here.client.own
        with computing_with(1):
            metrics = here.client.evaluate(sent, here.task(sent.client), own)
        return message_of(flower().RecordDict({"metrics": pack_numbers(metrics)}), reply_to=message)

    app.query()(who)
    app.train()(train)
    app.evaluate()(evaluate)
    return app


def _received(recipe_name: str, message: Any, context: Any) -> tuple[Site, Sent, str]:
    """What the client is made of, what it was sent, and under which name it keeps what is its own."""
    about = message.content["about"]
    here = site(recipe_name, about["variant"], about["config"])
    if about["client"] != _number(context):
        raise ConfigError(f"this node is client {_number(context)}, but was asked as client {about['client']}.")
    weights = unpack(message.content["weights"], here.like)
    sent = Sent(
        client=about["client"],
        round=about["round"],
        seed=about["seed"],
        weights={name: tensor.to(here.device) for name, tensor in weights.items()},
    )
    run = hashlib.sha256(f"{about['variant']}\n{about['config']}".encode()).hexdigest()[:16]
    return here, sent, f"own-{run}"


def _number(context: Any) -> int:
    number = context.node_config.get("partition-id")
    if not isinstance(number, int):
        raise ConfigError(
            f"the node's partition-id is {number!r}: expected the number of its client. Start it with "
            "flower-supernode --node-config 'partition-id=0'."
        )
    return number
