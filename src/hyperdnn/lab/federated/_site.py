"""What a client is made of, wherever it runs: a recipe, a variant, a configuration."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.lab._discover import load
from hyperdnn.lab.config import from_mapping, seed_everything, to_mapping
from hyperdnn.lab.data import Task
from hyperdnn.lab.train import Client
from hyperdnn.lab.train._processes import Processes
from hyperdnn.lab.train._random import random_states, set_random_states
from hyperdnn.lab.train._server import network_of

__all__ = ["Site", "site", "text_of"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Site:
    """A client and its data.

    Args:
        client: trains and measures.
        tasks: of all clients; a client takes its own.
        device: where it computes.
    """

    client: Client
    tasks: Sequence[Task]
    device: torch.device

    @property
    def like(self) -> dict[str, Tensor]:
        """What is sent, without the numbers."""
        return {spec.name: torch.empty(spec.shape, dtype=spec.dtype, device="meta") for spec in self.client.layout}

    def task(self, client: int) -> Task:
        """The data of a client, on its device.

        Raises:
            ConfigError: there is no such client.
        """
        if not 0 <= client < len(self.tasks):
            raise ConfigError(f"there is no client {client}: the recipe has data for {len(self.tasks)}, from 0.")
        return self.tasks[client].to(self.device)


@lru_cache(maxsize=4)  # a node computes for one run at a time, and building takes longer than a round
def site(recipe_name: str, variant_name: str, text: str) -> Site:
    """What a client needs, made as the server makes it, so that what stays with clients begins alike.

    Args:
        recipe_name: as for ``hyperdnn run``.
        variant_name: which system or baseline.
        text: the configuration, as `text_of` gives it.

    Raises:
        ConfigError: an unknown variant, or a configuration that does not fit the recipe.
    """
    recipe = load(recipe_name)
    if variant_name not in recipe.variants:
        raise ConfigError(f"{recipe_name} has no variant '{variant_name}'.{nearest(variant_name, recipe.variants)}")
    variant = recipe.variants[variant_name]
    config: Any = from_mapping(recipe.config, json.loads(text))
    before = random_states()
    try:
        seed_everything(config.seed)
        tasks = recipe.data(config)
        model = (variant.build or recipe.build)(config)
    finally:
        set_random_states(before)
    device = Processes(config.train).fabric.device
    client = Client(network_of(model).to(device), config, step=variant.step or recipe.step, evaluate=recipe.evaluate)
    return Site(client=client, tasks=tasks, device=device)


def text_of(config: object) -> str:
    """A configuration as text."""
    return json.dumps(to_mapping(config), sort_keys=True)
