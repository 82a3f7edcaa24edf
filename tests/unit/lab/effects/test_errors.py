import torch
from torch.nn import functional as F

from hyperdnn.lab.data import Study
from hyperdnn.lab.effects import outcome_and_treatment_errors, outcome_errors


def _study(treatment, outcome):
    units = len(outcome)
    return Study(
        covariates=torch.zeros(units, 1),
        treatment=torch.tensor(treatment),
        outcome=torch.tensor(outcome),
        potential=torch.zeros(units, 2),
    )


def test_only_the_treatment_that_was_given_counts():
    values = torch.tensor([[1.0, 10.0], [20.0, 2.0]], requires_grad=True)
    errors = outcome_errors(values, _study([0, 1], [3.0, 5.0]))
    assert errors.tolist() == [4.0, 9.0]
    errors.sum().backward()
    assert values.grad.tolist() == [[-4.0, 0.0], [0.0, -6.0]]


def test_the_third_function_is_the_logit_of_the_propensity():
    study = _study([0, 1, 1], [0.0, 0.0, 0.0])
    values = torch.cat([torch.zeros(3, 2), torch.tensor([[0.5], [0.5], [-2.0]])], dim=-1)
    expected = F.cross_entropy(torch.stack([torch.zeros(3), values[:, 2]], -1), study.treatment, reduction="none")
    torch.testing.assert_close(outcome_and_treatment_errors(values, study), expected)


def test_leading_dimensions_are_folds():
    study = _study([0, 1, 1], [1.0, 2.0, 3.0])
    values = torch.randn(4, 2, 3, 3)
    for errors in (outcome_errors, outcome_and_treatment_errors):
        found = errors(values, study)
        assert found.shape == (4, 2, 3)
        torch.testing.assert_close(found[3, 1], errors(values[3, 1], study))
