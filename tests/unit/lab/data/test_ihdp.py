import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import available, ihdp, simulated_study

present = pytest.mark.skipif(not available("ihdp"), reason="IHDP is not on this machine: set HYPERDNN_DATA")


@present
def test_published_counts():
    study = ihdp(0)
    assert study.covariates.shape == (747, 25)
    assert int(study.treatment.sum()) == 139
    assert study.effect.mean() == pytest.approx(4.016, abs=1e-3)
    assert study.treatment.dtype == torch.long


@present
def test_replications_share_covariates_and_one_is_much_larger():
    first, large = ihdp(0), ihdp(8)
    assert first.covariates.equal(large.covariates)
    assert not first.outcome.equal(large.outcome)
    assert large.effect.mean() > 2 * first.effect.mean()


@pytest.mark.parametrize("replication", [-1, 10])
def test_other_replications_are_refused(replication):
    with pytest.raises(ConfigError, match="expected 0 to 9"):
        ihdp(replication)


def test_the_simulated_study_is_what_it_says():
    study = simulated_study(20_000, seed=1)
    again = simulated_study(20_000, seed=1)
    assert study.outcome.equal(again.outcome)
    assert study.effect.mean() == pytest.approx(1.0, abs=0.02)
    torch.testing.assert_close(study.effect, 1 + study.covariates[:, 1])
    treated = study.treatment == 1
    assert study.covariates[treated, 0].mean() > study.covariates[~treated, 0].mean() + 0.5  # confounded
    given = study.potential.gather(1, study.treatment[:, None]).squeeze(1)
    assert (study.outcome - given).std() == pytest.approx(0.3, abs=0.01)
