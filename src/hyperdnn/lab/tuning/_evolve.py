"""Evolution of what is made of a few choices, under a constraint."""

from collections.abc import Callable, Sequence

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.lab.tuning._study import silent

__all__ = ["evolve"]

_MOST_MISSES = 2000  # proposals in a row that the constraint refuses


def evolve(
    fitness: Callable[[tuple[int, ...]], float],
    choices: Sequence[int],
    *,
    feasible: Callable[[tuple[int, ...]], bool],
    population: int,
    generations: int,
    seed: int,
) -> dict[tuple[int, ...], float]:
    """Search vectors of choices for high fitness by a genetic algorithm, such as the widths of a network's layers.

    The first generation is random. Parents are the fittest of all so far, and children are crossed and mutated (see
    ``optuna.samplers.NSGAIISampler``). What is not feasible is never measured and takes no place in a generation; what
    comes again is not measured again.

    Args:
        fitness: of a vector; higher is better.
        choices: how many there are at each place: a vector has whole numbers from 0 to below these.
        feasible: whether a vector may be measured at all.
        population: vectors in a generation.
        generations: how many, the random one included.
        seed: of the search.

    Returns:
        All that were measured with their fitness, the fittest first.

    Raises:
        MissingExtraError: Optuna is not installed.
        ConfigError: a place without choices, too few vectors, or a constraint that hardly any vector meets.
    """
    if not choices or min(choices) < 1:
        raise ConfigError(f"choices: expected at least one at each place, got {tuple(choices)}.")
    if population < 2 or generations < 1:
        raise ConfigError(f"expected a population of at least 2 and 1 generation, got {population} and {generations}.")
    found: dict[tuple[int, ...], float] = {}
    try:
        import optuna
        from optuna.distributions import BaseDistribution, IntDistribution
    except ImportError:
        raise MissingExtraError("optuna", extra="hpo") from None
    with silent():
        sampler = optuna.samplers.NSGAIISampler(population_size=population, seed=seed)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        space: dict[str, BaseDistribution] = {str(k): IntDistribution(0, n - 1) for k, n in enumerate(choices)}
        done = misses = 0
        while done < population * generations:
            trial = study.ask(space)
            vector = tuple(int(trial.params[place]) for place in space)
            if feasible(vector):
                if vector not in found:
                    found[vector] = float(fitness(vector))
                study.tell(trial, found[vector])
                done, misses = done + 1, 0
                continue
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            misses += 1
            if misses == _MOST_MISSES:
                raise ConfigError(f"feasible: refused {misses} vectors in a row. Choose a weaker constraint.")
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))
