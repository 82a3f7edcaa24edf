import builtins

import pytest
import torch

from hyperdnn.errors import MissingExtraError
from hyperdnn.lab.baselines import gaussian_process


def test_a_smooth_curve_is_drawn_through_few_points():
    x = torch.linspace(-3, 3, 15)[:, None]
    asked = torch.tensor([[-2.7], [0.1], [1.3]])
    found = gaussian_process(x, 5 + x[:, 0].sin(), asked)
    torch.testing.assert_close(found, 5 + asked[:, 0].sin(), atol=1e-2, rtol=0)
    assert found.dtype == torch.float32
    assert found.equal(gaussian_process(x, 5 + x[:, 0].sin(), asked))


def test_noise_is_smoothed_and_far_away_it_is_the_mean():
    generator = torch.Generator().manual_seed(0)
    x = torch.linspace(-3, 3, 60, dtype=torch.float64)[:, None]
    noise = 0.3 * torch.randn(60, generator=generator, dtype=torch.float64)
    values = x[:, 0].sin() + noise
    found = gaussian_process(x, values, x)
    assert (found - x[:, 0].sin()).square().mean() < 0.3 * noise.square().mean()
    far = gaussian_process(x, values, torch.tensor([[1e4]], dtype=torch.float64))
    assert far.item() == pytest.approx(values.mean().item(), abs=1e-6)


def test_equal_values_are_predicted_as_they_are():
    found = gaussian_process(torch.arange(4.0)[:, None], torch.full((4,), 2.0), torch.tensor([[1.5]]))
    assert found.item() == pytest.approx(2.0)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    original = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtraError, match="scikit-learn"):
        gaussian_process(torch.zeros(2, 1), torch.zeros(2), torch.zeros(1, 1))
