"""Training of a deep ensemble: to each network its own samples."""

from dataclasses import replace

from hyperdnn.lab.train import Data, Evaluate, Log, Outcome, Settings, State, Step, Validate, fit

__all__ = ["fit_members"]


def fit_members(
    state: State,
    data: Data,
    settings: Settings,
    *,
    step: Step,
    evaluate: Evaluate,
    log: Log,
    validate: Validate | None = None,
) -> Outcome:
    """Train a `Many` on batches with a part for each network, each of them as large as ``settings.batch_size``.

    The step divides the batch: into ``batch.inputs.view(networks, -1, ...)``, of which each network takes a part.

    Args:
        state: its model is a `Many`, trained in place.
        data: as for `train.fit`.
        settings: as for one network alone.
        step: the recipe's losses.
        evaluate: the recipe's metrics.
        log: where numbers go.
        validate: as for `train.fit`.

    Returns:
        The metrics and arrays.
    """
    members = len(state.model.get_parameter("rows"))
    settings = replace(settings, batch_size=settings.batch_size * members)
    return fit(state, data, settings, step=step, evaluate=evaluate, log=log, validate=validate)
