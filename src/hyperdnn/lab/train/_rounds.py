"""Rounds of a server and its clients: federated learning."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, TypeVar, final

import torch
from torch import Tensor, nn

from hyperdnn.errors import CheckpointError, ConfigError
from hyperdnn.lab.data import Batch, Task
from hyperdnn.lab.train._client import Client, LocalClients, settings_of
from hyperdnn.lab.train._clients import Clients, Reply, Sent, fault, fault_of_numbers, seed_of
from hyperdnn.lab.train._engine import Engine, TrainingError
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import Evaluate, Step
from hyperdnn.lab.train._server import Generating, Server, network_of
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State
from hyperdnn.typing import Weights

__all__ = ["rounds"]

Answer = TypeVar("Answer")


def rounds(
    state: State,
    tasks: Sequence[Task],
    settings: Settings,
    *,
    step: Step,
    evaluate: Evaluate,
    log: Log,
    server: Callable[[Any], Server] = Generating,
) -> Outcome:
    """Train the weights of many clients, whose data never leaves them.

    In each round some clients are drawn. Each one gets its weights from the server, trains them by a few steps of its
    own, and gives back the change. The server carries the changes back into what it generates from, as `hypernet_vjp`
    does, and takes one step of its optimiser for all of them. Weights are generated anew for that, so their graph is
    that of the present hypernet, and replies are put in order first, so it does not matter who was faster.

    The configuration has the server's `Settings` as ``train``, whose iterations are rounds and whose batch size is of
    no account, and `ClientSettings` as ``client``. What of the target is not generated stays with each client: see
    `ClientModel`. Clients compute in 32 bits.

    A client that gives no answer, or one of the wrong shape or that is not finite, has dropped out of the round. It is
    named in a line of the log, and counted in ``dropped``.

    Args:
        state: trained in place; ``state.clients`` says where the clients are.
        tasks: one for each client; client i is context i.
        settings: how the server optimises.
        step: the recipe's losses, computed by clients: gets a `ClientModel`.
        evaluate: the recipe's metrics on one task, measured by clients.
        log: where numbers go.
        server: what is sent, and how replies count; made of the model.

    Returns:
        The means of the metrics over clients; ``dropped``, how often one did, and ``bytes_per_exchange``, what went to
        a client and came back. As arrays ``client_<name>``, the metrics of each client, None where one gave none, and
        ``evaluated_after`` with ``mean_<name>``, what was measured after so many rounds.

    Raises:
        ConfigError: no clients, more in a round than there are, one without data, or settings that do not fit.
        TrainingError: all clients of a round dropped out, or the server's weights or their gradient are not finite.
        CheckpointError: what is to be resumed had clients elsewhere, or shall have, that keep parts of their own.
    """
    local = settings_of(state.config)
    _check(tasks, settings, local.per_round)
    engine = Engine(state, settings)
    if engine.processes.number > 1:
        raise ConfigError("train.devices: rounds trains in one process. Leave it out; --engine flower has many.")
    client = Client(network_of(state.model), state.config, step=step, evaluate=evaluate)
    elsewhere = state.clients is not None
    if not engine.resumed:
        state.record |= {"own": {}, "elsewhere": elsewhere}
        state.record |= {"dropped": 0, "exchanges": 0, "bytes": 0, "history": {"evaluated_after": []}}
    elif client.own and (elsewhere or state.record["elsewhere"]):
        raise CheckpointError(
            "clients keep parts of their networks, and what those elsewhere had is not in the checkpoint. Start it "
            "again, or go on in one process with what began in one."
        )
    clients = state.clients or LocalClients(client, [engine.place(task) for task in tasks], state.record["own"])
    federation = _Federation(state, server(state.model), clients, client, log)
    log.start(settings.iterations, done=state.step if engine.resumed else 0)
    numbers = range(len(tasks))

    def draw(*, generator: torch.Generator) -> Batch:
        chosen = torch.randperm(len(tasks), generator=generator)[: local.per_round].sort().values
        nothing = torch.empty(len(chosen), 0)  # the server sees no data
        return Batch(context=chosen, inputs=nothing, targets=nothing)

    def one_round(model: nn.Module, batch: Batch, state: State) -> dict[str, Tensor]:
        if local.evaluate_every is not None and state.step and state.step % local.evaluate_every == 0:
            federation.measure(numbers, local.per_round)
        return federation.train(batch.context.tolist())

    engine.optimise(one_round, draw, iterations=settings.iterations, log=log)
    measured = engine.evaluate(lambda model, chosen: federation.measure(chosen, local.per_round), numbers)
    record = state.record
    metrics = {
        **_means(measured),
        "dropped": float(record["dropped"]),
        "bytes_per_exchange": record["bytes"] / record["exchanges"],
    }
    return Outcome(metrics=metrics, arrays={**{f"client_{n}": v for n, v in measured.items()}, **record["history"]})


@final
class _Federation:
    """A server and its clients.

    Args:
        state: of the loop; how often clients dropped out and what was measured is in its record.
        server: what is sent, and how replies count.
        clients: where they are.
        client: knows what can be sent.
        log: is told who dropped out, and what was measured.
    """

    def __init__(self, state: State, server: Server, clients: Clients, client: Client, log: Log) -> None:
        self.state, self.server, self.clients, self.log = state, server, clients, log
        self.layout = client.layout
        self.device = next(state.model.parameters()).device
        self.last = ""  # who dropped out last, and why

    def train(self, chosen: Sequence[int]) -> dict[str, Tensor]:
        """One round; the gradient of its ``"loss"`` is what the server learns."""
        sent = self._sent(chosen)
        with torch.autocast(self.device.type, enabled=False):
            answers = self.clients.train(sent)
        replies = self._heard(chosen, answers, lambda reply: fault(reply, self.layout))
        if not replies:
            raise TrainingError(f"all {len(chosen)} clients of round {self.state.step} dropped out; {self.last}")
        record = self.state.record
        record["exchanges"] += len(replies)
        record["bytes"] += sum(
            _bytes(s.weights) + _bytes(replies[s.client].change) for s in sent if s.client in replies
        )
        names = dict.fromkeys(name for reply in replies.values() for name in reply.losses)
        means = {n: fmean(r.losses[n] for r in replies.values() if n in r.losses) for n in names}
        norms = [nn.utils.get_total_norm(list(reply.change.values())) for reply in replies.values()]
        means |= {"change": torch.stack(norms).mean().item(), "dropped": float(record["dropped"])}
        losses = {name: torch.tensor(mean, device=self.device) for name, mean in means.items()}
        return {**losses, "loss": losses["loss"] + self._towards(replies)}

    def measure(self, chosen: Sequence[int], together: int) -> dict[str, list[float | None]]:
        """Metrics of each client, None where one gave none; their means go into log and history."""
        answers: dict[int, Mapping[str, float]] = {}
        for start in range(0, len(chosen), together):  # weights of all clients at once may be too many
            part = chosen[start : start + together]
            sent = self._sent(part)
            with torch.autocast(self.device.type, enabled=False):
                measured = self.clients.evaluate(sent)
            answers |= self._heard(part, measured, fault_of_numbers)
        if not answers:
            raise TrainingError(f"no client could be evaluated after {self.state.step} rounds; {self.last}")
        names = dict.fromkeys(name for metrics in answers.values() for name in metrics)
        found = {name: [answers.get(client, {}).get(name) for client in chosen] for name in names}
        means, history = _means(found), self.state.record["history"]
        history["evaluated_after"].append(self.state.step)
        for name, mean in means.items():
            history.setdefault(f"mean_{name}", []).append(mean)
        self.log.metrics(self.state, {**means, "dropped": float(self.state.record["dropped"])})
        return found

    def _sent(self, chosen: Sequence[int]) -> list[Sent]:
        state, model = self.state, self.state.model
        training = model.training
        model.eval()
        with torch.no_grad():
            weights = self.server.weights(torch.tensor(chosen, device=self.device))
        model.train(training)
        self.layout.check(weights)
        for name, weight in weights.items():
            if not bool(weight.isfinite().all()):
                raise TrainingError(
                    f"the server's '{name}' is not finite in round {state.step}, and was not sent. Lower train.lr, or "
                    "set train.clip_norm or train.clip_generated."
                )
        return [
            Sent(
                client=client,
                round=state.step,
                seed=seed_of(state.generator.initial_seed(), state.step, client),
                weights={spec.name: weights[spec.name][place].to(spec.dtype) for spec in self.layout},
            )
            for place, client in enumerate(chosen)
        ]

    def _heard(
        self, chosen: Sequence[int], answers: Mapping[int, Answer | str], fault_of: Callable[[Answer], str | None]
    ) -> dict[int, Answer]:
        """Answers that can be used by client, in order; the others are counted."""
        heard: dict[int, Answer] = {}
        for client in chosen:
            answer = answers.get(client, "no answer came in time.")
            reason = answer if isinstance(answer, str) else fault_of(answer)
            if isinstance(answer, str) or reason is not None:
                self.state.record["dropped"] += 1
                self.log.dropped(self.state, client, str(reason))
                self.last = f"client {client}: {reason}"
            else:
                heard[client] = answer
        return heard

    def _towards(self, replies: Mapping[int, Reply]) -> Tensor:
        """Zero, whose gradient is what `hypernet_vjp` gives for generated minus trained weights.

        So the engine's backward, clipping and step serve here as everywhere.
        """
        weights = self.server.weights(torch.tensor(list(replies), device=self.device))
        shares = self.server.shares([reply.samples for reply in replies.values()])
        product = torch.zeros((), device=self.device)
        for name, weight in weights.items():
            vectors = [r.change[name] * -share for r, share in zip(replies.values(), shares, strict=True)]
            product = product + (weight * torch.stack(vectors).to(weight.device, weight.dtype)).sum()
        return product - product.detach()


def _check(tasks: Sequence[Task], settings: Settings, per_round: int) -> None:
    if not tasks:
        raise ConfigError("rounds: there are no clients. The recipe's data must have one task for each.")
    if per_round > len(tasks):
        raise ConfigError(f"client.per_round: {per_round} clients in a round, but there are {len(tasks)}.")
    for client, task in enumerate(tasks):
        for name in ("train", "test"):
            if not len(getattr(task, name)):
                raise ConfigError(f"client {client} ('{task.name}') has no {name} data. Deal out to fewer clients.")
    if settings.accumulate > 1:
        raise ConfigError(
            f"train.accumulate: {settings.accumulate}, but one round makes one step: set client.per_round."
        )


def _means(found: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    return {name: fmean(value for value in values if value is not None) for name, values in found.items()}


def _bytes(weights: Weights) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
