"""Evolution of what is made of a few choices, under a constraint."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, TypeAlias

from hyperdnn.errors import ConfigError

__all__ = ["evolve"]

_Vector: TypeAlias = tuple[int, ...]

_MUTATED: Final = 0.1  # probability of a new choice, at each place of a parent
_CHILDREN: Final = 5  # in a generation, for each parent
_MOST_MISSES: Final = 2000  # proposals in a row that are not feasible, or not new


def evolve(
    fitness: Callable[[_Vector], float],
    choices: Sequence[int],
    *,
    feasible: Callable[[_Vector], bool],
    population: int,
    generations: int,
    seed: int,
) -> dict[_Vector, float]:
    """Search vectors of choices for high fitness by a genetic algorithm, such as the widths of a network's layers.

    The first generation is random. Parents of a later one are the fittest of all so far, a fifth of a generation. Half
    of their children are copies that have drawn a new choice at some places, each with probability .1; the other half
    have at each place the choice of one of two parents. Only what is feasible and new is measured and takes a place in
    a generation, so that none fills with copies of one vector. Where a crossing hardly gives such a vector, a changed
    copy takes its place, and at last a random vector; the search ends early when hardly any is left.

    Args:
        fitness: of a vector; higher is better.
        choices: how many there are at each place: a vector has whole numbers from 0 to below these.
        feasible: whether a vector may be measured at all.
        population: different vectors in a generation.
        generations: how many, the random one included.
        seed: of the search.

    Returns:
        All that were measured with their fitness, the fittest first.

    Raises:
        ConfigError: a place without choices, too few vectors, or a constraint that none of many random vectors meets.

    Source:
        Liu et al., "MetaPruning", ICCV 2019, section 3.2, without ever measuring a vector twice.
    """
    if not choices or min(choices) < 1:
        raise ConfigError(f"choices: expected at least one at each place, got {tuple(choices)}.")
    if population < 2 or generations < 1:
        raise ConfigError(f"expected a population of at least 2 and 1 generation, got {population} and {generations}.")
    generator = Random(seed)
    found: dict[_Vector, float] = {}
    parents: list[_Vector] = []

    def drawn() -> _Vector:
        return tuple(generator.randrange(n) for n in choices)

    def mutated() -> _Vector:
        pairs = zip(generator.choice(parents), choices, strict=True)
        return tuple(generator.randrange(n) if generator.random() < _MUTATED else chosen for chosen, n in pairs)

    def crossed() -> _Vector:
        one, other = generator.choice(parents), generator.choice(parents)
        return tuple(generator.choice(pair) for pair in zip(one, other, strict=True))

    def measured(propose: Callable[[], _Vector]) -> bool:
        for _ in range(_MOST_MISSES):
            vector = propose()
            if vector not in found and feasible(vector):
                found[vector] = float(fitness(vector))
                return True
        return False

    for place in range(population * generations):
        if place and place % population == 0:
            parents = _ranked(found)[: max(2, population // _CHILDREN)]
        children = (crossed, mutated)[place % 2 :] if parents else ()
        if not any(map(measured, (*children, drawn))):
            break
    if not found:
        raise ConfigError(f"feasible: refused {_MOST_MISSES} vectors in a row. Choose a weaker constraint.")
    return {vector: found[vector] for vector in _ranked(found)}


def _ranked(found: dict[_Vector, float]) -> list[_Vector]:
    return sorted(found, key=lambda vector: -found[vector])
