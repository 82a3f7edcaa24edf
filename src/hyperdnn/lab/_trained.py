"""A trained model, from the folder of its run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from torch import nn

from hyperdnn.errors import CheckpointError, ConfigError, nearest
from hyperdnn.lab._discover import load
from hyperdnn.lab._folder import CHECKPOINTS, CONFIG, file_name, request
from hyperdnn.lab._recipe import Recipe
from hyperdnn.lab._view import View
from hyperdnn.lab.config import override, read_yaml, seed_everything
from hyperdnn.lab.train import Checkpoints
from hyperdnn.lab.train._random import random_states, set_random_states
from hyperdnn.lab.train._restore import difference, restore_model
from hyperdnn.models import HyperDNN

__all__ = ["Trained", "trained"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """What a run left behind of one variant with one seed.

    Args:
        name: the recipe's name.
        recipe: itself.
        variant: which of its variants.
        config: the configuration, the variant's changes and the seed included.
        model: as it was in the newest checkpoint, on the CPU, in evaluation mode.
        step: how many steps it has taken.
        finished: whether it was trained to the end.
    """

    name: str
    recipe: Recipe
    variant: str
    config: Any
    model: nn.Module
    step: int
    finished: bool

    @property
    def hyperdnn(self) -> HyperDNN:
        """The first HyperDNN in the model.

        Raises:
            ConfigError: there is none.
        """
        found = next((module for module in self.model.modules() if isinstance(module, HyperDNN)), None)
        if found is None:
            raise ConfigError(
                f"{self.name}: '{self.variant}' is a {type(self.model).__name__} without a HyperDNN in it. "
                f"Variants: {', '.join(self.recipe.variants)}."
            )
        return found

    def view(self) -> View:
        """What there is to look at: as the recipe says, or what the encoder tells of contexts.

        Raises:
            ConfigError: there is no HyperDNN in the model, or neither tells.
        """
        model = self.hyperdnn
        if self.recipe.view is None:
            return View.of(model)
        view: View = self.recipe.view(self.model, self.recipe.data(self.config))
        return view


def trained(folder: Path, *, variant: str | None = None, seed: int | None = None) -> Trained:
    """Load a model from a run folder, without training anything.

    Args:
        folder: of the run, as ``hyperdnn run`` made it.
        variant: which; None takes the first one of the run, the system itself.
        seed: of the run; None takes its first one.

    Raises:
        ConfigError: the folder holds no run, or none of this variant or seed; or the recipe is gone.
        CheckpointError: there is no checkpoint, all are damaged, or they are of a model that is built otherwise now.
    """
    name, seeds, variants = request(folder)
    recipe = load(name)
    names = [one for one in recipe.variants if variants is None or one in variants]
    chosen, number = variant or names[0], seeds[0] if seed is None else seed
    if chosen not in names:
        raise ConfigError(f"{folder} holds no variant '{chosen}'.{nearest(chosen, names)} It has {', '.join(names)}.")
    if number not in seeds:
        raise ConfigError(f"{folder} holds no seed {number}: it has {', '.join(map(str, seeds))}.")
    place = folder / CHECKPOINTS / f"seed-{number}" / file_name(chosen, recipe.variants)
    found = Checkpoints(place).latest()
    if found is None:
        raise CheckpointError(f"{place} holds no checkpoint: '{chosen}' was not trained so far.")
    value, made = found.value(), recipe.variants[chosen]
    config: Any = override(read_yaml(recipe.config, folder / CONFIG), {"seed": number, **made.changes})
    states = random_states()
    seed_everything(number)
    try:
        model: nn.Module = (made.build or recipe.build)(config)
    finally:
        set_random_states(states)  # whoever loads a model goes on with generators of their own
    other = difference(model, value["model"])
    if other is not None:
        raise CheckpointError(f"{found.folder} does not fit the model that {name} builds: {other}.")
    restore_model(model, value["model"])
    return Trained(
        name=name,
        recipe=recipe,
        variant=chosen,
        config=config,
        model=model.eval(),
        step=value["step"],
        finished="outcome" in value,
    )
