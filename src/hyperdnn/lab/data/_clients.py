"""One data set dealt out to clients that have different mixes of classes."""

from dataclasses import replace
from itertools import accumulate

import torch
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._batch import Split, Task

__all__ = ["dirichlet_clients", "label_clients"]

_LOW, _HIGH = 0.4, 0.6  # of a class's shares, before they are made to sum to 1
_TRIES = 1000


def label_clients(source: Task, *, clients: int, classes_per_client: int = 2, seed: int) -> list[Task]:
    """Each client has a few classes, in the same mix for training, validation and test.

    Every class goes to as many clients as any other, or one more, and is divided among them in shares that are drawn
    from U(0.4, 0.6) and normalised. No sample is dealt out twice. Targets keep their numbers.

    Args:
        source: the set to deal out.
        clients: how many; client i has context i.
        classes_per_client: how many classes each one has.
        seed: of who gets which classes, which share and which samples.

    Raises:
        ConfigError: more classes than there are, or too few samples of one for all clients that shall have it.

    Source:
        The splits of Shamsian et al., "Personalized Federated Learning using Hypernetworks", ICML 2021, section 5,
        where the number of clients times their classes must be a multiple of all classes.
    """
    _check_clients(clients)
    if not 1 <= classes_per_client <= source.classes:
        raise ConfigError(
            f"classes_per_client: expected 1 to {source.classes}, the classes of '{source.name}', "
            f"got {classes_per_client}."
        )
    generator = torch.Generator().manual_seed(seed)
    least, more = divmod(clients * classes_per_client, source.classes)
    left = torch.full((source.classes,), least)
    left[torch.randperm(source.classes, generator=generator)[:more]] += 1
    shares = torch.zeros(clients, source.classes, dtype=torch.float64)
    for client in range(clients):
        # Those with most left to give, in random order where equal: otherwise the last client might get one twice.
        order = torch.randperm(source.classes, generator=generator)
        chosen = order[left[order].argsort(descending=True, stable=True)[:classes_per_client]]
        drawn = torch.rand(classes_per_client, generator=generator, dtype=torch.float64)
        shares[client, chosen] = _LOW + (_HIGH - _LOW) * drawn
        left[chosen] -= 1
    tasks = _deal(source, shares / shares.sum(0).clamp(min=_LOW), generator)  # less only where nobody has the class
    for name in ("train", "validation", "test"):
        for client, task in enumerate(tasks):
            missing = set(shares[client].nonzero().flatten().tolist()) - set(getattr(task, name).targets.tolist())
            if missing:
                raise ConfigError(
                    f"'{source.name}' has too few {name} samples of class {min(missing)} for all that shall have it: "
                    f"client {client} would get none. Deal out to fewer clients, or fewer classes to each."
                )
    return tasks


def dirichlet_clients(
    source: Task, *, clients: int, concentration: float = 0.5, at_least: int = 10, seed: int
) -> list[Task]:
    """Each class is divided in shares drawn from a Dirichlet distribution, the same for training, validation and test.

    Clients differ in their classes and in how many samples they have. No sample is dealt out twice, none is left over.

    Args:
        source: the set to deal out.
        clients: how many; client i has context i.
        concentration: of the distribution; the lower, the more the clients differ.
        at_least: training samples that each client must have; it also gets one of validation and of test. Shares are
            drawn again until that is so.
        seed: of the shares and of who gets which samples.

    Raises:
        ConfigError: numbers that make no sense, or that no draw comes up to.

    Source:
        Hsu, Qi & Brown, "Measuring the effects of non-identical data distribution for federated visual classification",
        2019; by class, as Yurochkin et al., "Bayesian nonparametric federated learning", ICML 2019.
    """
    import numpy as np

    _check_clients(clients)
    if not 0 < concentration < float("inf"):
        raise ConfigError(f"concentration: expected more than 0, got {concentration}.")
    if at_least < 1:
        raise ConfigError(f"at_least: expected 1 or more, got {at_least}.")
    numbers = np.random.default_rng(seed)  # torch draws from this distribution without a generator only
    generator = torch.Generator().manual_seed(seed)
    sizes = {name: _counts(getattr(source, name), source.classes) for name in ("train", "validation", "test")}
    needed = {"train": at_least, "validation": 1, "test": 1}
    if all(clients * needed[name] <= int(counts.sum()) for name, counts in sizes.items()):
        for _ in range(_TRIES):
            drawn = numbers.dirichlet([concentration] * clients, size=source.classes)
            shares = torch.from_numpy(drawn).T.contiguous()
            if all(int(_pieces(shares, counts).sum(1).min()) >= needed[name] for name, counts in sizes.items()):
                return _deal(source, shares, generator)
    raise ConfigError(
        f"'{source.name}' cannot be dealt out to {clients} clients with at least {at_least} training samples, one of "
        f"validation and one of test each (concentration {concentration}). Lower at_least or the number of clients, or "
        "raise the concentration."
    )


def _check_clients(clients: int) -> None:
    if clients < 1:
        raise ConfigError(f"clients: expected 1 or more, got {clients}.")


def _deal(source: Task, shares: Tensor, generator: torch.Generator) -> list[Task]:
    """Tasks by client; shares are ``(clients, classes)`` and sum to at most 1 in each class."""
    splits = (source.train, source.validation, source.test)
    dealt = zip(*(_deal_split(split, shares, generator) for split in splits), strict=True)
    return [
        replace(source, name=f"{source.name}, client {client}", train=train, validation=validation, test=test)
        for client, (train, validation, test) in enumerate(dealt)
    ]


def _deal_split(split: Split, shares: Tensor, generator: torch.Generator) -> list[Split]:
    pieces = _pieces(shares, _counts(split, shares.shape[1]))
    mine: list[list[Tensor]] = [[] for _ in range(len(shares))]
    for label in range(shares.shape[1]):
        rows = (split.targets == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        ends = list(accumulate(pieces[:, label].tolist()))
        for client, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            mine[client].append(rows[start:end])
    indices = [torch.cat(rows).sort().values for rows in mine]
    return [_only(split, index, client) for client, index in enumerate(indices)]


def _only(split: Split, index: Tensor, client: int) -> Split:
    return replace(split, stored=split.stored[index], targets=split.targets[index], context=client)


def _pieces(shares: Tensor, counts: Tensor) -> Tensor:
    """How many samples of each class each client gets, ``(clients, classes)``: ends are rounded, so none is lost."""
    ends = (shares.cumsum(0) * counts).round().long()
    return ends.diff(dim=0, prepend=torch.zeros_like(ends[:1]))


def _counts(split: Split, classes: int) -> Tensor:
    return split.targets.bincount(minlength=classes)
