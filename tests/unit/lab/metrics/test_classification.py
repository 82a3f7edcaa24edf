import math
from itertools import combinations

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from hyperdnn.errors import ConfigError
from hyperdnn.lab.metrics import (
    auroc,
    classification_summary,
    detection_curve,
    disagreement,
    pairwise_disagreement,
    predictive_entropy,
    reliability_curve,
    single_accuracies,
)


def test_networks_vote_with_their_probabilities() -> None:
    logits, targets = torch.randn(3, 40, 5), torch.randint(5, (40,))
    mean = logits.softmax(-1).mean(0)
    found = classification_summary(logits, targets)
    assert found["accuracy"] == pytest.approx((mean.argmax(-1) == targets).float().mean().item())
    assert found["nll"] == pytest.approx(F.nll_loss(mean.log(), targets).item(), rel=1e-5)


def test_networks_one_by_one() -> None:
    logits, targets = torch.randn(4, 30, 3), torch.randint(3, (30,))
    classes = logits.argmax(-1)
    pairs = [(one != other).double().mean().item() for one, other in combinations(classes, 2)]
    assert pairwise_disagreement(logits) == pytest.approx(sum(pairs) / len(pairs))
    singles = single_accuracies(logits, targets)
    assert singles.tolist() == pytest.approx([classification_summary(one[None], targets)["accuracy"] for one in logits])


def test_pairwise_disagreement_at_its_ends() -> None:
    same = torch.randn(1, 20, 5).expand(6, 20, 5)
    assert pairwise_disagreement(same) == 0.0
    assert pairwise_disagreement(same[:1]) == 0.0
    assert pairwise_disagreement(torch.eye(3)[:, None].expand(3, 20, 3)) == pytest.approx(1.0)


def test_calibration_error_by_hand() -> None:
    sure = math.log(0.9 / 0.1)
    logits = torch.tensor([[[sure, 0.0]] * 10])
    for right in (9, 5):
        targets = torch.tensor([0] * right + [1] * (10 - right))
        found = classification_summary(logits, targets)
        assert found["ece"] == pytest.approx(0.9 - right / 10, abs=1e-5)
        assert [pair[0] for pair in reliability_curve(logits, targets)] == pytest.approx([0.9] * 10)


def test_entropy_is_high_where_networks_disagree() -> None:
    agree, disagree = torch.zeros(2, 1, 3), torch.zeros(2, 1, 3)
    agree[:, 0, 0] = disagree[0, 0, 0] = disagree[1, 0, 1] = 200.0
    entropies = [predictive_entropy(logits).item() for logits in (agree, disagree, torch.zeros(2, 1, 3))]
    assert entropies == pytest.approx([0.0, math.log(2), math.log(3)])


def test_only_networks_that_differ_disagree() -> None:
    apart = torch.tensor([[[200.0, 0.0]], [[0.0, 200.0]]])  # two networks, one sample
    assert disagreement(apart).item() == pytest.approx(0.5)
    assert disagreement(torch.zeros(2, 1, 3)).item() == 0
    assert disagreement(torch.randn(1, 4, 3)).eq(0).all()


@pytest.mark.parametrize("measure", [predictive_entropy, disagreement])
def test_there_is_one_number_for_each_sample_of_each_context(measure) -> None:
    logits = torch.randn(5, 2, 3, 4)
    found = measure(logits)
    assert found.shape == (2, 3)
    torch.testing.assert_close(found[1], measure(logits[:, 1]))
    assert measure(logits[:, :0]).shape == (0, 3)


def test_detection_is_that_of_scikit_learn_however_small_scores_are() -> None:
    torch.manual_seed(0)
    for scale in (1.0, 1e-9, 1e4):  # through a sigmoid the small ones would all be one half
        inside, outside = scale * torch.rand(50).double(), scale * (torch.rand(80).double() + 0.2)
        labels, scores = [0] * 50 + [1] * 80, torch.cat([inside, outside])
        assert auroc(inside, outside) == pytest.approx(roc_auc_score(labels, scores), abs=1e-6)


def test_detection_at_its_ends() -> None:
    low, high = torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.4, 0.5])
    assert (auroc(low, high), auroc(high, low), auroc(low, low)) == (1.0, 0.0, 0.5)
    assert auroc(torch.zeros(3), torch.zeros(4)) == 0.5
    assert {true for _, true in detection_curve(low, high)} == {1.0}
    with pytest.raises(ConfigError, match="expected scores of both kinds, got 2 inside and 0 outside"):
        auroc(low, torch.empty(0))


def test_the_curve_encloses_the_area() -> None:
    torch.manual_seed(0)
    inside, outside = torch.randn(4000), torch.randn(4000) + 1
    x, y = torch.tensor(detection_curve(inside, outside)).T
    assert torch.trapezoid(y, x).item() == pytest.approx(auroc(inside, outside), abs=0.01)
    assert (x[0], x[-1], y[-1]) == (0.0, 1.0, 1.0)
