import pytest
import torch

from hyperdnn.lab.data import Study, simulated_study
from hyperdnn.lab.effects import doubly_robust, regression_adjustment


def _one(treatment, outcome):
    one = torch.zeros(1, 2)
    return Study(
        covariates=one,
        treatment=torch.tensor([treatment]),
        outcome=torch.tensor([outcome]),
        potential=torch.zeros(1, 2),
    )


def test_by_hand():
    values = torch.tensor([[2.0, 7.0, 0.0]])  # propensity one half
    assert regression_adjustment(values, _one(1, 8.0)).item() == 6.0
    assert regression_adjustment(values, _one(0, 3.0)).item() == 4.0
    assert doubly_robust(values, _one(1, 8.0)).item() == pytest.approx(5 + (8 - 7) / 0.5)
    assert doubly_robust(values, _one(0, 3.0)).item() == pytest.approx(5 - (3 - 2) / 0.5)


def test_a_rare_treatment_does_not_explode():
    values = torch.tensor([[0.0, 0.0, -50.0]])
    assert doubly_robust(values, _one(1, 1.0)).item() == pytest.approx(20.0)
    assert doubly_robust(values, _one(1, 1.0), rarest=0.1).item() == pytest.approx(10.0)


@pytest.fixture
def study():
    return simulated_study(100_000, seed=0)


def test_right_functions_give_the_effect_on_average(study):
    logit = study.covariates[:, 0] - 0.5
    values = torch.cat([study.potential, logit[:, None]], dim=-1)
    for formula in (regression_adjustment, doubly_robust):
        rest = formula(values, study) - study.effect
        assert abs(rest.mean()) < 0.01
        assert abs((rest * study.covariates[:, 1]).mean()) < 0.01


def test_one_wrong_part_is_enough_for_the_doubly_robust_one(study):
    wrong = torch.zeros_like(study.outcome)
    logit = study.covariates[:, 0] - 0.5
    wrong_outcomes = torch.stack([wrong, wrong, logit], dim=-1)
    wrong_propensity = torch.cat([study.potential, wrong[:, None]], dim=-1)
    mean = study.effect.mean().item()
    assert doubly_robust(wrong_outcomes, study, rarest=0.01).mean().item() == pytest.approx(mean, abs=0.03)
    assert doubly_robust(wrong_propensity, study).mean().item() == pytest.approx(mean, abs=0.03)
    assert regression_adjustment(wrong_outcomes, study).mean().item() != pytest.approx(mean, abs=0.2)
