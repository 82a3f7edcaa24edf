import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab import data


def test_both_images_are_there():
    source = data.load("digits")
    task = data.overlaid(source, shift=2, pairs=(50, 10, 20), seed=3)
    assert [len(part) for part in (task.train, task.validation, task.test)] == [50, 10, 20]
    assert (task.shape, task.classes, tuple(task.train.targets.shape)) == ((1, 10, 10), 10, (50, 2))
    first, second = torch.randint(len(source.train), (2, 50), generator=torch.Generator().manual_seed(3))
    for n, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        canvas = torch.zeros(10, 10)
        canvas[:8, :8] = source.train.stored[i, 0]
        for y in range(8):
            for x in range(8):
                canvas[y + 2, x + 2] = max(canvas[y + 2, x + 2].item(), source.train.stored[j, 0, y, x].item())
        assert task.train.stored[n, 0].equal(canvas.to(torch.uint8))
        assert task.train.targets[n].tolist() == [source.train.targets[i].item(), source.train.targets[j].item()]


def test_the_same_seed_gives_the_same_pairs_and_the_source_stays():
    source = data.load("digits")
    before = source.train.stored.clone()
    one, same, other = (data.overlaid(source, shift=2, pairs=(50, 10, 20), seed=seed) for seed in (0, 0, 1))
    assert one.test.stored.equal(same.test.stored)
    assert not one.test.stored.equal(other.test.stored)
    assert source.train.stored.equal(before)


def test_images_are_scaled_by_areas():
    source = data.load("digits")
    whole = data.overlaid(source, shift=2, pairs=(5, 1, 1), seed=0).train
    half = data.overlaid(source, shift=2, pairs=(5, 1, 1), scaled_to=5, seed=0).train
    expected = whole.stored.float().unfold(2, 2, 2).unfold(3, 2, 2).mean((-2, -1)).round()
    assert half.stored.equal(expected.to(torch.uint8))
    assert half.targets.equal(whole.targets)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"shift": -1}, "shift 0 or more"),
        ({"scaled_to": 0}, "scaled_to 1 or more"),
        ({"pairs": (5, 1)}, "three numbers"),
        ({"pairs": (5, 0, 1)}, "three numbers"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(changes, match):
    with pytest.raises(ConfigError, match=match):
        data.overlaid(data.load("digits"), **{"shift": 2, "pairs": (5, 1, 1), "seed": 0, **changes})


def test_a_permuted_source_is_refused():
    permuted = data.permuted(data.load("digits"), tasks=2, seed=0)[1]
    with pytest.raises(ConfigError, match="in their own order"):
        data.overlaid(permuted, shift=2, pairs=(5, 1, 1), seed=0)
