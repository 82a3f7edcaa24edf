import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import simulated_study, trial


@pytest.fixture
def study():
    return simulated_study(200, seed=0)


def test_units_are_drawn_without_repetition_and_all_at_once_in_order(study):
    batch = study.sample(50, generator=torch.Generator().manual_seed(0))
    assert len(batch) == 50
    assert len(torch.unique(batch.outcome)) == 50
    assert study.sample(200, generator=torch.Generator()) is study
    assert study.sample(999, generator=torch.Generator()) is study


def test_rows_stay_together(study):
    index = torch.tensor([7, 3])
    part = study[index]
    for name in ("covariates", "treatment", "outcome", "potential"):
        assert getattr(part, name).equal(getattr(study, name)[index])
    assert part.fold is None
    assert part.effect.equal(study.potential[index, 1] - study.potential[index, 0])
    assert study.to("cpu").potential.equal(study.potential)


def test_the_three_parts_have_all_units_once_and_the_treated_in_proportion(study):
    divided = trial(study, seed=3)
    parts = (divided.train, divided.validation, divided.test)
    assert [len(part) for part in parts] == [126, 54, 20]
    rows = torch.cat([part.effect * divided.scale for part in parts])
    torch.testing.assert_close(rows.sort().values, study.effect.sort().values)
    share = study.treatment.float().mean()
    for part in parts:
        assert abs(part.treatment.sum() - share * len(part)) <= 1


def test_standardised_by_the_training_part_alone(study):
    divided = trial(study, seed=0)
    train = divided.train
    torch.testing.assert_close(train.covariates.mean(0), torch.zeros(4), atol=1e-6, rtol=0)
    torch.testing.assert_close(train.covariates.std(0), torch.ones(4))
    torch.testing.assert_close(train.outcome.std(), torch.ones(()))
    assert not torch.allclose(divided.test.covariates.mean(0), torch.zeros(4), atol=1e-2)
    noise = 0.3 / divided.scale  # outcomes and potential outcomes are moved and scaled alike
    given = divided.test.potential.gather(1, divided.test.treatment[:, None]).squeeze(1)
    assert (divided.test.outcome - given).abs().max() < 4 * noise


def test_fewer_units_leave_the_test_part_as_it_is(study):
    few, whole = trial(study, units=40, seed=5), trial(study, seed=5)
    assert len(few.train) + len(few.validation) == 40
    torch.testing.assert_close(few.test.effect * few.scale, whole.test.effect * whole.scale)


def test_a_covariate_that_is_constant_stays_finite(study):
    study.covariates[:, 2] = 5.0
    assert trial(study, seed=0).train.covariates.isfinite().all()


def test_studies_that_cannot_be_learnt_from_are_refused(study):
    with pytest.raises(ConfigError, match="units: expected 1 to 180, got 181"):
        trial(study, units=181, seed=0)
    study.treatment.zero_()
    with pytest.raises(ConfigError, match="all treated alike"):
        trial(study, seed=0)
