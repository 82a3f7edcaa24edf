"""Rounds of a server and its clients: federated learning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from hyperdnn.errors import CheckpointError, ConfigError
from hyperdnn.lab.data import Batch, Task
from hyperdnn.lab.train._client import Client, LocalClients, settings_of
from hyperdnn.lab.train._client_settings import ClientSettings
from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._federation import Federation, Found, means_of
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._only import remember_trainable, train_only
from hyperdnn.lab.train._outcome import Outcome
from hyperdnn.lab.train._parts import Evaluate, Step
from hyperdnn.lab.train._server import Generating, Server, network_of
from hyperdnn.lab.train._settings import Settings
from hyperdnn.lab.train._state import State

__all__ = ["rounds"]


def rounds(
    state: State,
    tasks: Sequence[Task],
    settings: Settings,
    *,
    step: Step,
    evaluate: Evaluate,
    log: Log,
    server: Callable[[Any], Server] = Generating,
    join: Callable[[Any], Settings] | None = None,
    finetuned: bool = False,
) -> Outcome:
    """Train the weights of many clients, whose data never leaves them.

    In each round some clients are drawn. Each one gets its weights from the server, trains them by a few steps of its
    own, and gives back the change. The server carries the changes back into what it generates from, as `hypernet_vjp`
    does, and takes one step of its optimiser for all of them. Weights are generated anew for that, so their graph is
    that of the present hypernet, and replies are put in order first, so it does not matter who was faster.

    The configuration has the server's `Settings` as ``train``, whose iterations are rounds and whose batch size is of
    no account, and `ClientSettings` as ``client``. What of the target is not generated stays with each client: see
    `ClientModel`. Clients compute in 32 bits, one after the other: on a CPU one mapped pass over networks of
    convolutions takes longer than they do in turn.

    The last ``client.newcomers`` clients are not there yet. They come when the others are done, if `join` says how
    their contexts are fitted: in rounds in which all of them take part, while all else is frozen.

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
        join: configuration -> how the server optimises ``hypernet.encoder`` for newcomers; None leaves them out.
        finetuned: at the end, measure clients once more after steps that the server does not learn of. As many as in a
            round; what stays with them is trained too.

    Returns:
        The means of the metrics over clients; ``dropped``, how often one did, and ``bytes_per_exchange``, what went to
        a client and came back. As arrays ``client_<name>``, the metrics of each client, None where one gave none, and
        ``evaluated_after`` with ``mean_<name>``, what was measured after so many rounds. Of those finetuned and of
        newcomers the same, as ``finetuned_<name>`` and ``new_<name>``.

    Raises:
        ConfigError: no clients, more in a round than there are, one without data, or settings that do not fit.
        TrainingError: all clients of a round dropped out, or the server's weights or their gradient are not finite.
        CheckpointError: what is to be resumed had clients elsewhere, or shall have, that keep parts of their own.
    """
    local = settings_of(state.config)
    plan = _plan(tasks, settings, local, join and join(state.config))
    first = 0 if state.resumed is None else int(state.resumed.value()["task"])
    if first >= len(plan):
        raise CheckpointError("the checkpoint is of a training with newcomers, and now there are none.")
    engine = Engine(state, plan[first].settings)
    if engine.processes.number > 1:
        raise ConfigError("train.devices: rounds trains in one process. Leave it out; --engine flower has many.")
    elsewhere, record = state.clients is not None, state.record
    if not engine.resumed:
        remember_trainable(state)
        record |= {"own": {}, "elsewhere": elsewhere, "found": {}}
        record |= {"dropped": 0, "exchanges": 0, "bytes": 0, "history": {"evaluated_after": []}}
    for phase in (*plan, plan[0]):  # the last one: a client trains what the server does not
        train_only(state, phase.part)
    client = Client(network_of(state.model), state.config, step=step, evaluate=evaluate)
    if engine.resumed and client.own and (elsewhere or record["elsewhere"]):
        raise CheckpointError(
            "clients keep parts of their networks, and what those elsewhere had is not in the checkpoint. Start it "
            "again, or go on in one process with what began in one."
        )
    clients = state.clients or LocalClients(client, [engine.place(task) for task in tasks], record["own"])
    federation = Federation(state, server(state.model), clients, client, log)
    log.start(sum(phase.settings.iterations for phase in plan), done=state.step if engine.resumed else 0)

    def one_round(model: nn.Module, batch: Batch, state: State) -> dict[str, Tensor]:
        every = local.evaluate_every if state.task == 0 else None
        if every is not None and state.step and state.step % every == 0:
            federation.follow(plan[0].clients)
        return federation.train(batch.context.tolist())

    def find(measure: Callable[..., Found], chosen: Sequence[int], prefix: str = "") -> None:
        measured = engine.evaluate(lambda model, chosen: measure(chosen), chosen)
        found = {f"{prefix}{name}": values for name, values in measured.items()}
        record["found"] |= found
        if prefix:  # the others are followed
            log.metrics(state, means_of(found))

    for index in range(first, len(plan)):
        phase = plan[index]
        if index > first:
            engine = Engine(state, phase.settings)
        state.task = index
        train_only(state, phase.part)
        engine.optimise(one_round, phase.draw, iterations=phase.settings.iterations, log=log)
        if index == 0:
            find(federation.follow, phase.clients)
            if finetuned:
                find(partial(federation.measure, finetuned=True), phase.clients, "finetuned_")
        else:
            find(federation.measure, phase.clients, "new_")
    train_only(state, "")
    metrics = {
        **means_of(record["found"]),
        "dropped": float(record["dropped"]),
        "bytes_per_exchange": record["bytes"] / record["exchanges"],
    }
    return Outcome(
        metrics=metrics, arrays={**{f"client_{n}": v for n, v in record["found"].items()}, **record["history"]}
    )


@final
@dataclass(frozen=True, kw_only=True)
class _Phase:
    """Some clients with a server that learns something.

    Args:
        clients: who takes part.
        together: how many in a round.
        settings: of the server.
        part: what of the model is trained.
    """

    clients: range
    together: int
    settings: Settings
    part: str = ""

    def draw(self, *, generator: torch.Generator) -> Batch:
        """Whose turn it is."""
        places = torch.randperm(len(self.clients), generator=generator)[: self.together].sort().values
        nothing = torch.empty(len(places), 0)  # the server sees no data
        return Batch(context=places + self.clients.start, inputs=nothing, targets=nothing)


def _plan(tasks: Sequence[Task], settings: Settings, local: ClientSettings, join: Settings | None) -> list[_Phase]:
    """Those who are there, and then the newcomers, if anything is fitted to them."""
    present = len(tasks) - local.newcomers
    _check(tasks, present, local.per_round)
    first = _Phase(clients=range(present), together=local.per_round, settings=settings)
    if join is None or not local.newcomers:
        plan = [first]
    else:
        newcomers = range(present, len(tasks))
        plan = [first, _Phase(clients=newcomers, together=len(newcomers), settings=join, part="hypernet.encoder")]
    for phase in plan:
        if phase.settings.accumulate > 1:
            raise ConfigError(
                f"train.accumulate: {phase.settings.accumulate}, but one round makes one step: set client.per_round."
            )
    return plan


def _check(tasks: Sequence[Task], present: int, per_round: int) -> None:
    if not tasks:
        raise ConfigError("rounds: there are no clients. The recipe's data must have one task for each.")
    if present < 1:
        raise ConfigError(
            f"client.newcomers: expected fewer than all {len(tasks)} clients, got {len(tasks) - present}."
        )
    if per_round > present:
        raise ConfigError(f"client.per_round: {per_round} clients in a round, but there are {present}.")
    for client, task in enumerate(tasks):
        for name in ("train", "test"):
            if not len(getattr(task, name)):
                raise ConfigError(f"client {client} ('{task.name}') has no {name} data. Deal out to fewer clients.")
