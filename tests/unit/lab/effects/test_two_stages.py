from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import simulated_study, trial
from hyperdnn.lab.effects import TwoStages, outcome_errors, regression_adjustment, two_stages
from hyperdnn.lab.effects import _two_stages as module
from hyperdnn.lab.train import Log, Settings, State


@pytest.fixture
def data():
    return trial(simulated_study(300, seed=0), seed=0)


def _model(folds=3):
    torch.manual_seed(0)
    return TwoStages([nn.Linear(4, 2) for _ in range(folds)], nn.Linear(4, 1))


def test_the_loop_learns_the_effect(data):
    state = State(model=_model(), config=SimpleNamespace(), generator=torch.Generator().manual_seed(0))
    settings = Settings(iterations=300, batch_size=1024, lr=0.03, patience=100, device="cpu")

    def evaluate(model, data):
        return {"error": (model.effect(data.test.covariates) - data.test.effect).square().mean().item()}

    def step(model, batch, state):
        raise AssertionError("both stages have their own")

    found = two_stages(outcome_errors, regression_adjustment)(
        state, data, settings, step=step, evaluate=evaluate, log=Log()
    )
    assert found.metrics["error"] < 0.1 * data.test.effect.var().item()


def test_each_fold_is_learnt_without_it(data):
    model = _model()
    divided = module._in_folds(model, data)
    batch = divided.train
    state = State(model=model, config=None, generator=torch.Generator())
    module._first_step(model, batch, state, errors=outcome_errors)["loss"].backward()
    for fold, functions in enumerate(model.first):
        others = batch[batch.fold != fold]
        alone = outcome_errors(functions(others.covariates), others).mean()
        expected = torch.autograd.grad(alone, functions.weight)[0]
        torch.testing.assert_close(functions.weight.grad, expected)


def test_a_batch_that_lies_in_one_fold_teaches_the_others_alone(data):
    model = _model()
    batch = module._in_folds(model, data).train
    batch = batch[batch.fold == 1]
    state = State(model=model, config=None, generator=torch.Generator())
    loss = module._first_step(model, batch, state, errors=outcome_errors)["loss"]
    loss.backward()
    assert loss.isfinite()
    assert [bool(functions.weight.grad.any()) for functions in model.first] == [True, False, True]


@torch.no_grad()
def test_a_guess_comes_from_functions_that_have_not_seen_the_unit(data):
    model = _model()
    guessed = module._with_guesses(model, data, formula=lambda values, study: values[:, 0])
    fold = module._in_folds(model, data).train.fold
    for unit in range(len(data.train)):
        expected = model.first[int(fold[unit])](data.train.covariates[unit])[0]
        torch.testing.assert_close(guessed.train.outcome[unit], expected)
    mean = torch.stack([functions(data.validation.covariates)[:, 0] for functions in model.first]).mean(0)
    torch.testing.assert_close(guessed.validation.outcome, mean)


def test_folds_are_the_same_whenever_they_are_asked_for(data):
    first, again = (module._in_folds(_model(), data).train.fold for _ in range(2))
    assert first.equal(again)
    assert [int((first == fold).sum()) for fold in range(3)] == pytest.approx([len(first) / 3] * 3, abs=1)


def test_a_single_fold_is_refused():
    with pytest.raises(ConfigError, match="at least two folds, got 1"):
        _model(1)
