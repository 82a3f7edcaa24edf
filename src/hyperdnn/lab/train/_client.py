"""A client: trains the weights that a server sent on data that no one else sees."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config import seed_everything
from hyperdnn.lab.data import Task
from hyperdnn.lab.train._client_settings import ClientSettings
from hyperdnn.lab.train._clients import Reply, Sent
from hyperdnn.lab.train._parts import Evaluate, Step
from hyperdnn.lab.train._random import random_states, set_random_states
from hyperdnn.lab.train._state import State
from hyperdnn.layout import ParamLayout
from hyperdnn.targets import Target
from hyperdnn.typing import Context, Weights

__all__ = ["Client", "ClientModel", "LocalClients", "own_state", "settings_of"]


@final
class ClientModel(nn.Module):
    """What a client trains, under the call of a `HyperDNN`: weights that were sent, and what stays with the client.

    A target's kept parameters and its buffers stay. They are trained with the rest and never sent: a target whose
    feature extractor is generated leaves each client a classifier of its own.

    Args:
        target: runs the network.
        weights: of one context; copied.
    """

    def __init__(self, target: Target, weights: Weights) -> None:
        super().__init__()
        self.target = target
        self.received = {name: weights[name].detach() for name in target.layout.names}
        """The weights as they were sent."""
        self.trained = nn.ParameterList(nn.Parameter(tensor.clone()) for tensor in self.received.values())

    @property
    def weights(self) -> Weights:
        """The weights as they are now, by name."""
        return dict(zip(self.target.layout.names, self.trained, strict=True))

    def forward(self, *args: Any, context: Context = None, **kwargs: Any) -> Any:
        """Run the network; the context is ignored, since the weights are already its own."""
        return self.target(self.weights, *args, **kwargs)


@final
class Client:
    """Trains and measures what it is sent. It keeps nothing itself, so one serves for many.

    Args:
        target: a copy for clients alone.
        config: the recipe's configuration, with its `ClientSettings` as ``client``.
        step: the recipe's losses; gets a `ClientModel` and a state whose task is the client.
        evaluate: the recipe's metrics on one task.

    Raises:
        ConfigError: the configuration has no such settings.
    """

    def __init__(self, target: Target, config: Any, *, step: Step, evaluate: Evaluate) -> None:
        self.target = target
        self.layout: ParamLayout = target.layout
        self.config = config
        self.settings = settings_of(config)
        self.step = step
        self.measure = evaluate
        self.own = own_state(target)

    def train(self, sent: Sent, task: Task, own: Mapping[str, Tensor]) -> tuple[Reply, dict[str, Tensor]]:
        """Take the local steps.

        Args:
            sent: what the server sent.
            task: the client's data.
            own: what stayed with it the last time; ``client.own`` at the first.

        Returns:
            The reply, and what stays with the client now. Where training left the numbers that is what it was.

        Raises:
            ConfigError: the step returns no ``"loss"``.
        """
        settings = self.settings
        with _drawing_from(sent.seed):
            model = self._model(sent, own).train()
            state = State(
                model=model,
                config=self.config,
                generator=torch.Generator().manual_seed(sent.seed ^ _OTHER),
                optimizer=settings.make_optimizer(model.parameters()),
                step=sent.round * settings.steps,
                task=sent.client,
            )
            losses = [self._step(model, task, state) for _ in range(settings.steps)]
            change = {name: tensor.detach() - model.received[name] for name, tensor in model.weights.items()}
            kept = own_state(self.target)
        means = {name: torch.stack([one[name] for one in losses if name in one]).mean().item() for name in losses[-1]}
        whole = all(bool(tensor.isfinite().all()) for tensor in [*change.values(), *kept.values()])
        reply = Reply(samples=len(task.train), change=change, losses=means)
        return reply, kept if whole else dict(own)

    def evaluate(self, sent: Sent, task: Task, own: Mapping[str, Tensor]) -> dict[str, float]:
        """The recipe's metrics on the client's data. The arguments are those of `train`."""
        with torch.no_grad(), _drawing_from(sent.seed):
            return self.measure(self._model(sent, own).eval(), task)

    def _model(self, sent: Sent, own: Mapping[str, Tensor]) -> ClientModel:
        self.target.load_state_dict(dict(own), strict=False)  # what is frozen is not in it
        return ClientModel(self.target, sent.weights)

    def _step(self, model: ClientModel, task: Task, state: State) -> dict[str, Tensor]:
        assert state.optimizer is not None
        batch = task.train.sample(self.settings.batch_size, generator=state.generator)
        losses = self.step(model, batch, state)
        if "loss" not in losses:
            raise ConfigError(f"the step returned {sorted(losses)}: expected 'loss' among them, which is minimised.")
        state.optimizer.zero_grad()
        torch.autograd.backward(losses["loss"])
        if self.settings.clip_norm is not None:
            nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], self.settings.clip_norm)
        state.optimizer.step()
        state.step += 1
        return {name: loss.detach() for name, loss in losses.items()}


@final
class LocalClients:
    """Clients in this process, one after the other.

    Args:
        client: what each of them does.
        tasks: the data of each.
        own: what stays with each, by client; changed in place.
    """

    def __init__(self, client: Client, tasks: Sequence[Task], own: dict[int, dict[str, Tensor]]) -> None:
        self.client = client
        self.tasks = tasks
        self.own = own

    def train(self, sent: Sequence[Sent]) -> dict[int, Reply]:
        """Let clients train."""
        replies = {}
        for one in sent:
            reply, own = self.client.train(one, self.tasks[one.client], self.own.get(one.client, self.client.own))
            replies[one.client] = reply
            if own:
                self.own[one.client] = own
        return replies

    def evaluate(self, sent: Sequence[Sent]) -> dict[int, dict[str, float]]:
        """Let clients measure."""
        own = self.client.own
        return {s.client: self.client.evaluate(s, self.tasks[s.client], self.own.get(s.client, own)) for s in sent}


def own_state(target: Target) -> dict[str, Tensor]:
    """What of a client's network is not sent and may change: trained parameters and buffers, copied."""
    frozen = {name for name, parameter in target.named_parameters() if not parameter.requires_grad}
    return {name: tensor.detach().clone() for name, tensor in target.state_dict().items() if name not in frozen}


def settings_of(config: Any) -> ClientSettings:
    """The settings for clients in a recipe's configuration.

    Raises:
        ConfigError: there are none.
    """
    settings = getattr(config, "client", None)
    if not isinstance(settings, ClientSettings):
        raise ConfigError(
            f"{type(config).__name__}: rounds needs settings for clients. Add the field: "
            "client: lab.train.ClientSettings = lab.train.ClientSettings()"
        )
    return settings


_OTHER = 0x5DEECE66D  # so that batches are not drawn from the numbers that modules draw


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Inside, every random generator begins at a seed; afterwards they go on as if nothing had been drawn."""
    before = random_states()
    try:
        seed_everything(seed)
        yield
    finally:
        set_random_states(before)
