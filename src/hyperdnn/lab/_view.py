"""What there is to look at in a trained model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from hyperdnn._torch import tree_leaves, tree_map
from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.inspect import Probe
from hyperdnn.inspect._contexts import typical_contexts
from hyperdnn.models import HyperDNN
from hyperdnn.typing import Context

__all__ = ["View"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A model with contexts and data to look at it with; a recipe's ``view`` makes it of its model and its data.

    Args:
        model: the HyperDNN, wherever it stands in what the recipe trains.
        contexts: some that it is meant for, ``(n, ...)``, or several such tensors in a tuple or dict: all of them where
            they are few.
        names: one for each.
        context: what a context is, in a word: ``"task"``, ``"preference"``, ``"image"``.
        coordinates: what the numbers of a context vector are; empty where it is none.
        probes: data to run the networks on.
        shows: what an output is: scores of classes ``(..., classes)``, the pixels of a picture, or plain numbers.

    Raises:
        ConfigError: if names and contexts differ in number, or a probe belongs to none of the contexts.
    """

    model: HyperDNN
    contexts: Context
    names: Sequence[str]
    context: str = "context"
    coordinates: Sequence[str] = ()
    probes: Sequence[Probe] = ()
    shows: Literal["classes", "picture", "numbers"] = "numbers"

    def __post_init__(self) -> None:
        contexts = _number_of(self.contexts)
        if contexts != len(self.names):
            raise ConfigError(f"view: expected one name for each of {contexts} contexts, got {len(self.names)}.")
        for probe in self.probes:
            if probe.context is not None and not 0 <= probe.context < contexts:
                raise ConfigError(f"view: probe '{probe.name}' belongs to context {probe.context} of {contexts}.")

    @classmethod
    def of(cls, model: HyperDNN) -> "View":
        """Contexts that the encoder tells, and no data: for recipes that declare no view.

        Raises:
            ConfigError: if the encoder does not tell what it takes.
        """
        try:
            contexts = typical_contexts(model, asker="view")
        except ContextError:
            encoder = getattr(model.hypernet, "encoder", model.hypernet)
            raise ConfigError(
                f"{type(encoder).__name__} does not tell what its contexts are. Declare some in the recipe: view=."
            ) from None
        return cls(model=model, contexts=contexts, names=[str(k) for k in range(_number_of(contexts))])

    def rows(self, chosen: int | Sequence[int]) -> Context:
        """One of the contexts, or several, whatever tensors they are made of."""
        index = chosen if isinstance(chosen, int) else list(chosen)
        context: Context = tree_map(lambda tensor: tensor[index], self.contexts)
        return context


def _number_of(contexts: Context) -> int:
    return len(tree_leaves(contexts)[0])
