import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import Split, Task, dirichlet_clients, label_clients

PARTS = ("train", "validation", "test")


def _task(sizes, classes=5):
    """Samples that tell which one they are, of unequal classes."""
    splits = {}
    for name, size in zip(PARTS, sizes, strict=True):
        targets = torch.arange(classes).repeat_interleave(torch.arange(size, size + classes))
        splits[name] = Split(stored=torch.arange(len(targets)).reshape(-1, 1, 1, 1), targets=targets)
    return Task(name="numbers", **splits, classes=classes)


def _dealt(tasks, name):
    return torch.cat([getattr(task, name).stored.flatten() for task in tasks])


@settings(max_examples=40, deadline=None)
@given(clients=st.integers(1, 12), classes=st.integers(1, 5), seed=st.integers(0, 1000))
def test_few_classes_each_the_same_mix_everywhere_and_no_sample_twice(clients, classes, seed):
    source = _task((100, 50, 60))
    tasks = label_clients(source, clients=clients, classes_per_client=classes, seed=seed)
    takers = torch.zeros(5)
    for number, task in enumerate(tasks):
        counts = {name: getattr(task, name).targets.bincount(minlength=5) for name in PARTS}
        assert int((counts["train"] > 0).sum()) == classes
        takers += counts["train"] > 0
        for name in PARTS:
            share = counts[name] / torch.arange(5).add(len(getattr(source, name).targets) // 5 - 2)
            trained = counts["train"] / torch.arange(100, 105)
            assert torch.allclose(share, trained, atol=0.031)  # four roundings
            assert getattr(task, name)[:].context.item() == number
    assert takers.max() - takers.min() <= 1
    for name in PARTS:
        dealt = _dealt(tasks, name)
        assert len(dealt.unique()) == len(dealt)
        split = getattr(source, name)
        expected = int((torch.isin(split.targets, takers.nonzero())).sum())
        assert len(dealt) == expected  # all samples of every class that somebody has
        assert torch.cat([getattr(t, name).targets for t in tasks]).equal(split.targets[dealt])


def test_shares_are_those_of_the_publication():
    tasks = label_clients(_task((10_000, 100, 100)), clients=10, classes_per_client=2, seed=3)
    shares = torch.stack([t.train.targets.bincount(minlength=5) for t in tasks]) / torch.arange(10_000, 10_005)
    assert (shares > 0).sum(0).tolist() == [4] * 5
    positive = shares[shares > 0]
    assert positive.min() >= 0.4 / (0.4 + 3 * 0.6) - 1e-3
    assert positive.max() <= 0.6 / (0.6 + 3 * 0.4) + 1e-3
    assert positive.std() > 0.01


def test_the_same_seed_deals_the_same_and_another_one_does_not():
    source = _task((50, 20, 20))
    for deal in (label_clients, dirichlet_clients):
        one, same, other = (deal(source, clients=4, seed=seed) for seed in (0, 0, 1))
        assert _dealt(one, "train").equal(_dealt(same, "train"))
        assert len(_dealt(one, "train")) != len(_dealt(other, "train")) or not _dealt(one, "train").equal(
            _dealt(other, "train")
        )


@settings(max_examples=30, deadline=None)
@given(clients=st.integers(1, 8), concentration=st.floats(0.1, 100), seed=st.integers(0, 1000))
def test_dirichlet_deals_out_everything_once(clients, concentration, seed):
    source = _task((100, 50, 60))
    tasks = dirichlet_clients(source, clients=clients, concentration=concentration, at_least=2, seed=seed)
    for name in PARTS:
        assert _dealt(tasks, name).sort().values.equal(getattr(source, name).stored.flatten())
    assert min(len(task.train) for task in tasks) >= 2
    assert min(len(task.test) for task in tasks) >= 1
    assert [task.train.context for task in tasks] == list(range(clients))


def test_a_low_concentration_makes_clients_differ():
    source = _task((400, 100, 100))

    def spread(concentration):
        tasks = dirichlet_clients(source, clients=5, concentration=concentration, seed=0)
        counts = torch.stack([task.train.targets.bincount(minlength=5) for task in tasks]).double()
        return counts.std(0).mean().item()

    assert spread(0.2) > 3 * spread(50.0)


@pytest.mark.parametrize(
    ("deal", "options", "message"),
    [
        (label_clients, {"clients": 0}, "clients: expected 1 or more, got 0"),
        (label_clients, {"clients": 2, "classes_per_client": 6}, "expected 1 to 5, the classes of 'numbers', got 6"),
        (label_clients, {"clients": 2, "classes_per_client": 0}, "expected 1 to 5"),
        (label_clients, {"clients": 200}, r"'numbers' has too few train samples of class \d .*client \d+ .*fewer cl"),
        (dirichlet_clients, {"clients": 0}, "clients: expected 1 or more"),
        (dirichlet_clients, {"clients": 2, "concentration": 0.0}, "concentration: expected more than 0, got 0"),
        (dirichlet_clients, {"clients": 2, "concentration": float("nan")}, "concentration: expected more than 0"),
        (dirichlet_clients, {"clients": 2, "at_least": 0}, "at_least: expected 1 or more"),
        (dirichlet_clients, {"clients": 500}, "cannot be dealt out to 500 clients with at least 10 .* Lower at_least"),
        (dirichlet_clients, {"clients": 6, "at_least": 50, "concentration": 1e-3}, "or raise the concentration"),
    ],
)
def test_what_cannot_be_dealt_out_is_an_error(deal, options, message):
    with pytest.raises(ConfigError, match=message):
        deal(_task((50, 20, 20)), **options, seed=0)
