import pytest
import torch
from torch import nn

from hyperdnn import ParamLayout
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.lab.losses import orthogonality, squared_norm

LAYOUT = ParamLayout.of(nn.Sequential(nn.Conv1d(2, 3, 4), nn.PReLU(), nn.Linear(3, 5)))


def _weights(*contexts: int) -> dict[str, torch.Tensor]:
    return {spec.name: torch.randn(*contexts, *spec.shape, dtype=torch.float64) for spec in LAYOUT}


def _orthonormal(rows: int, columns: int) -> torch.Tensor:
    return nn.init.orthogonal_(torch.empty(rows, columns, dtype=torch.float64))


@pytest.mark.parametrize("loss", [squared_norm, orthogonality])
@pytest.mark.parametrize("contexts", [(), (1,), (4,), (0,), (2, 3)], ids=str)
def test_there_is_one_number_for_each_context(loss, contexts) -> None:
    weights = _weights(*contexts)
    found = loss(weights, LAYOUT)
    assert found.shape == contexts
    flat = {name: w.reshape(-1, *LAYOUT[name].shape) for name, w in weights.items()}
    for i, one in enumerate(found.flatten()):
        torch.testing.assert_close(one, loss({name: w[i] for name, w in flat.items()}, LAYOUT))


def test_the_norm_is_the_sum_of_squares() -> None:
    weights = _weights()
    torch.testing.assert_close(squared_norm(weights, LAYOUT), sum(w.square().sum() for w in weights.values()))
    part = squared_norm(weights, LAYOUT.select("*.weight"))
    torch.testing.assert_close(part, sum(w.square().sum() for n, w in weights.items() if n.endswith("weight")))


def test_orthonormal_matrices_cost_nothing() -> None:
    weights = {**_weights(), "0.weight": _orthonormal(3, 8).view(3, 2, 4), "2.weight": _orthonormal(5, 3)}
    assert orthogonality(weights, LAYOUT).item() == pytest.approx(0, abs=1e-12)
    weights["2.weight"] = 2 * weights["2.weight"]  # each of 3 columns: (4 - 1)^2
    assert orthogonality(weights, LAYOUT).item() == pytest.approx(27)


def test_it_is_the_formula() -> None:
    weights = _weights()
    wide, tall = weights["0.weight"].flatten(1), weights["2.weight"]
    expected = ((wide @ wide.T - torch.eye(3)) ** 2).sum() + ((tall.T @ tall - torch.eye(3)) ** 2).sum()
    torch.testing.assert_close(orthogonality(weights, LAYOUT), expected)


def test_vectors_alone_have_no_orthogonality() -> None:
    with pytest.raises(ConfigError, match=r"no matrix among '0\.bias', '2\.bias'"):
        orthogonality(_weights(), LAYOUT.select("*.bias"))


@pytest.mark.parametrize("loss", [squared_norm, orthogonality])
def test_a_missing_tensor_is_named(loss) -> None:
    weights = _weights()
    del weights["2.weight"]
    with pytest.raises(LayoutError, match=r"'2\.weight' is missing"):
        loss(weights, LAYOUT)
