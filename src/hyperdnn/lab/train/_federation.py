"""A server and its clients in one round: what is sent, who answers, what is learnt of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TypeAlias, TypeVar, final

import torch
from torch import Tensor, nn

from hyperdnn.lab.train._client import Client
from hyperdnn.lab.train._clients import Clients, Reply, Sent, fault, fault_of_numbers, seed_of
from hyperdnn.lab.train._engine import TrainingError
from hyperdnn.lab.train._log import Log
from hyperdnn.lab.train._server import Server
from hyperdnn.lab.train._state import State
from hyperdnn.typing import Weights

__all__ = ["Federation", "Found", "means_of"]

Answer = TypeVar("Answer")

Found: TypeAlias = dict[str, list[float | None]]
"""Metrics by name, one for each client."""


@final
class Federation:
    """A server and its clients.

    Args:
        state: of the loop; how often clients dropped out and what was measured is in its record.
        server: what is sent, and how replies count.
        clients: where they are.
        client: knows what can be sent, and how many are drawn in a round; no more are measured at a time.
        log: is told who dropped out, and what was measured.
    """

    def __init__(self, state: State, server: Server, clients: Clients, client: Client, log: Log) -> None:
        self.state, self.server, self.clients, self.log = state, server, clients, log
        self.layout = client.layout
        self.together = client.settings.per_round
        self.device = next(state.model.parameters()).device
        self.last = ""  # who dropped out last, and why

    def train(self, chosen: Sequence[int]) -> dict[str, Tensor]:
        """One round; the gradient of its ``"loss"`` is what the server learns."""
        sent = self._sent(chosen)
        with torch.autocast(self.device.type, enabled=False):
            answers = self.clients.train(sent)
        replies = self._heard(chosen, answers, self._fault)
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

    def follow(self, chosen: Sequence[int]) -> Found:
        """What `measure` finds now; the means go into log and history."""
        found = self.measure(chosen)
        means, history = means_of(found), self.state.record["history"]
        history["evaluated_after"].append(self.state.step)
        for name, mean in means.items():
            history.setdefault(f"mean_{name}", []).append(mean)
        self.log.metrics(self.state, {**means, "dropped": float(self.state.record["dropped"])})
        return found

    def measure(self, chosen: Sequence[int], *, finetuned: bool = False) -> Found:
        """Metrics of each client, None where one gave none.

        Args:
            chosen: which.
            finetuned: let them train first, as in a round, and tell the server nothing.
        """
        answers: dict[int, Mapping[str, float]] = {}
        for start in range(0, len(chosen), self.together):  # weights of all clients at once may be too many
            part = chosen[start : start + self.together]
            sent = self._sent(part)
            with torch.autocast(self.device.type, enabled=False):
                if finetuned:
                    sent = self._finetuned(sent)
                measured = self.clients.evaluate(sent)
            answers |= self._heard([one.client for one in sent], measured, fault_of_numbers)
        if not answers:
            raise TrainingError(f"no client could be evaluated after {self.state.step} rounds; {self.last}")
        names = dict.fromkeys(name for metrics in answers.values() for name in metrics)
        return {name: [answers.get(client, {}).get(name) for client in chosen] for name in names}

    def _finetuned(self, sent: Sequence[Sent]) -> list[Sent]:
        """What clients have who went on from what was sent; those left out who dropped out."""
        with torch.enable_grad():
            trained = self.clients.train(sent)
        replies = self._heard([one.client for one in sent], trained, self._fault)
        kept = [(one, replies[one.client].change) for one in sent if one.client in replies]
        return [replace(one, weights={n: w + change[n] for n, w in one.weights.items()}) for one, change in kept]

    def _fault(self, reply: Reply) -> str | None:
        return fault(reply, self.layout)

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


def means_of(found: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    return {name: fmean(value for value in values if value is not None) for name, values in found.items()}


def _bytes(weights: Weights) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
