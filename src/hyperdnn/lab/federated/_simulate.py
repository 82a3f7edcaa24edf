"""A server and clients on one machine, each client in a process of Ray."""

import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hyperdnn.errors import MissingExtraError
from hyperdnn.lab._discover import load
from hyperdnn.lab.federated._client_app import client_app
from hyperdnn.lab.federated._flower import flower
from hyperdnn.lab.federated._server_app import Connect, server_app
from hyperdnn.lab.train._client import settings_of

__all__ = ["simulate"]


def simulate(recipe_name: str, config: Any, main: Callable[[Connect], object]) -> None:
    """Run a federated recipe on Flower's simulation. Starting Ray takes up to a minute.

    It comes to the same numbers as in one process, on the CPU to the last bit.

    Args:
        recipe_name: as for ``hyperdnn run``.
        config: its configuration: says how many clients there are, and how many train at a time, which is the most
            processes that Ray starts.
        main: what the server does: calls `lab.run` with what it is given as ``clients``.

    Raises:
        ConfigError: there is no such recipe, or it has no clients.
        MissingExtraError: Flower or Ray is not installed.
    """
    per_round = settings_of(config).per_round
    clients = len(load(recipe_name).data(config))
    flower()
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError("ray", extra="fed")
    own_file = recipe_name.endswith(".py")  # processes of Ray stand in other folders
    with _quiet():
        flower("simulation").run_simulation(
            server_app=server_app(main),
            client_app=client_app(str(Path(recipe_name).resolve()) if own_file else recipe_name),
            num_supernodes=clients,
            backend_config={
                "init_args": {
                    "num_cpus": min(per_round, os.cpu_count() or 1),
                    "include_dashboard": False,
                    "log_to_driver": False,
                },
                "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            },
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Flower tells of every message; what matters is in the log of the run."""
    logger = logging.getLogger("flwr")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
