from itertools import product
from statistics import fmean, stdev

import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab import tuning

CHOICES = (4, 5, 3, 4)
ALL = list(product(*map(range, CHOICES)))


def _value(vector):
    return sum((place + 1) * choice for place, choice in enumerate(vector)) - 2.0 * (vector[0] == vector[3])


def _fits(vector):
    return sum(vector) <= 6


def _evolved(seed=0, *, fitness=_value, feasible=_fits, population=10, generations=8):
    return tuning.evolve(fitness, CHOICES, feasible=feasible, population=population, generations=generations, seed=seed)


@pytest.mark.parametrize("seed", range(3))
def test_what_comes_first_is_among_the_best_of_all(seed):
    found = _evolved(seed)
    first = next(iter(found))
    assert sum(_value(vector) > _value(first) for vector in filter(_fits, ALL)) <= 2
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert len(found) < sum(map(_fits, ALL))  # it did not look everywhere
    assert all(found[vector] == _value(vector) for vector in found)


def test_only_what_is_feasible_is_measured_and_only_once():
    seen = []

    def fitness(vector):
        seen.append(vector)
        return _value(vector)

    found = _evolved(fitness=fitness, generations=5)
    assert len(seen) == len(set(seen)) == len(found) == 50  # no place of a generation went to what was known
    assert all(map(_fits, seen))
    assert any(not _fits(vector) for vector in ALL)


@pytest.mark.parametrize("seed", range(3))
def test_each_place_of_a_generation_is_a_new_vector_and_children_are_better_than_random_ones(seed):
    seen = []

    def fitness(vector):
        seen.append(_value(vector))
        return seen[-1]

    found = tuning.evolve(
        fitness, (8,) * 6, feasible=lambda vector: sum(vector) <= 20, population=10, generations=8, seed=seed
    )
    assert len(found) == 80
    assert next(iter(found.values())) == max(seen) > max(seen[:10])
    assert fmean(seen[-10:]) > fmean(seen[:10]) + 2 * stdev(seen[:10]) / 10**0.5


def test_the_seed_decides():
    assert _evolved(5) == _evolved(5)
    assert _evolved(5).keys() != _evolved(6).keys()


@pytest.mark.parametrize(
    ("choices", "population", "generations", "message"),
    [
        ((), 4, 1, r"choices: expected at least one at each place, got \(\)"),
        ((3, 0), 4, 1, r"choices: .* got \(3, 0\)"),
        ((3, 3), 1, 1, "at least 2 and 1 generation, got 1 and 1"),
        ((3, 3), 4, 0, "got 4 and 0"),
    ],
)
def test_what_makes_no_sense_is_refused(choices, population, generations, message):
    with pytest.raises(ConfigError, match=message):
        tuning.evolve(
            sum, choices, feasible=lambda vector: True, population=population, generations=generations, seed=0
        )


def test_a_constraint_that_nothing_meets_is_an_error():
    with pytest.raises(ConfigError, match="refused 2000 vectors in a row"):
        _evolved(feasible=lambda vector: False)


def test_a_place_with_a_single_choice():
    found = tuning.evolve(sum, (1, 3), feasible=lambda vector: True, population=4, generations=3, seed=0)
    assert next(iter(found)) == (0, 2)


def test_a_search_ends_when_nothing_new_is_left():
    found = tuning.evolve(sum, (2, 2), feasible=lambda vector: vector != (1, 1), population=3, generations=5, seed=0)
    assert found.keys() == {(0, 0), (0, 1), (1, 0)}
