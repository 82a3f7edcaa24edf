from dataclasses import replace

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab import data


def test_images_are_scaled_by_areas_and_keep_their_type():
    source = data.load("digits")
    half = data.scaled(source, 4)
    assert (half.shape, half.train.stored.dtype, half.classes) == ((1, 4, 4), source.train.stored.dtype, 10)
    for name in ("train", "validation", "test"):
        whole, part = getattr(source, name), getattr(half, name)
        expected = whole.stored.float().unfold(2, 2, 2).unfold(3, 2, 2).mean((-2, -1)).round()
        assert part.stored.equal(expected.to(part.stored.dtype))
        assert part.targets.equal(whole.targets)
    assert half.train[:1].inputs.max() <= 1


def test_scaling_takes_many_images_in_portions(monkeypatch):
    source = data.load("digits")
    expected = data.scaled(source, 4).train.stored
    monkeypatch.setattr("hyperdnn.lab.data._smaller._PORTION", 100)
    assert data.scaled(source, 4).train.stored.equal(expected)


def test_the_same_side_changes_nothing():
    source = data.load("digits")
    assert data.scaled(source, 8).test.stored.equal(source.test.stored)


def test_fewer_samples_are_spread_evenly_and_none_is_lost_to_training():
    source = data.load("digits")
    few = data.thinned(source, 100)
    assert [len(part) for part in (few.train, few.validation, few.test)] == [1257, 100, 100]
    rows = torch.arange(100) * 360 // 100
    assert few.test.stored.equal(source.test.stored[rows])
    assert few.test.targets.equal(source.test.targets[rows])
    assert len(rows.unique()) == 100
    assert {3, 4} == set(rows.diff().tolist())


@pytest.mark.parametrize("samples", [360, 1000])
def test_asking_for_more_than_there_are_keeps_all(samples):
    source = data.load("digits")
    assert data.thinned(source, samples).test is source.test


def test_what_makes_no_sense_is_refused():
    source = data.load("digits")
    with pytest.raises(ConfigError, match="a side of 1 or more, got 0"):
        data.scaled(source, 0)
    with pytest.raises(ConfigError, match="1 sample or more, got 0"):
        data.thinned(source, 0)
    with pytest.raises(ConfigError, match="in their own order in 'digits in order 1'"):
        data.scaled(data.permuted(source, tasks=2, seed=0)[1], 4)
    flat = replace(source, train=replace(source.train, stored=source.train.stored.flatten(1)))
    with pytest.raises(ConfigError, match=r"expected images \(channels, height, width\)"):
        data.scaled(flat, 4)
