import pytest
import torch

from hyperdnn.encoders import LearnedNoise, Noise, UniformNoise
from hyperdnn.errors import ConfigError


def test_noise_is_standard_normal_and_passes_through() -> None:
    noise = Noise(8)
    context = noise.sample(2000, generator=torch.Generator().manual_seed(0))
    assert context.std().item() == pytest.approx(1, rel=0.02)
    assert context.mean().item() == pytest.approx(0, abs=0.03)
    assert noise(context) is context


@pytest.mark.parametrize("sizes", [(), (1,), (4,), (2, 3)])
def test_sizes_are_the_context_dimensions(sizes: tuple[int, ...]) -> None:
    assert Noise(8).sample(*sizes).shape == (*sizes, 8)


def test_the_generator_decides() -> None:
    noise = Noise(8)
    first, second = (noise.sample(3, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(noise.sample(3), noise.sample(3))


def test_samples_follow_the_module_and_nothing_is_saved() -> None:
    noise = Noise(8).double()
    assert noise.sample().dtype == torch.float64
    assert Noise(8, dtype=torch.bfloat16).sample().dtype == torch.bfloat16
    assert Noise(8).to("meta").sample(2).is_meta
    assert noise.state_dict() == {}


def test_uniform_noise_fills_its_interval_and_passes_through() -> None:
    noise = UniformNoise(8, low=-2.0, high=4.0)
    context = noise.sample(4000, generator=torch.Generator().manual_seed(0))
    assert -2 <= context.min() < -1.99
    assert 3.99 < context.max() <= 4
    assert context.mean().item() == pytest.approx(1, abs=0.05)
    assert noise(context) is context
    assert torch.equal(context, noise.sample(4000, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_an_interval_that_is_empty(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match="UniformNoise: expected low < high, got low="):
        UniformNoise(3, low=low, high=high)


def test_learned_noise_starts_standard_normal() -> None:
    noise = LearnedNoise(8)
    context = noise.sample(2, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(context, Noise(8).sample(2, 3, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(noise(context), context)


def test_learned_noise_has_the_mean_and_scale_that_it_learned() -> None:
    noise = LearnedNoise(2)
    with torch.no_grad():
        noise.mean.copy_(torch.tensor([3.0, -1.0]))
        noise.log_scale.copy_(torch.tensor([0.5, 2.0]).log())
    drawn = noise(noise.sample(20_000, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(drawn.mean(0), noise.mean, atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.std(0), torch.tensor([0.5, 2.0]), rtol=0.02, atol=0)


def test_learned_noise_can_be_fitted_through_its_draws() -> None:
    torch.manual_seed(0)
    noise = LearnedNoise(1)
    optimizer = torch.optim.Adam(noise.parameters(), lr=0.05)
    for _ in range(300):  # to a normal distribution with mean 2 and deviation 0.1, by its log density and entropy
        optimizer.zero_grad()
        density = ((noise(noise.sample(64)) - 2) / 0.1).square().mean() / 2
        (density - noise.log_scale.sum()).backward()
        optimizer.step()
    assert noise.mean.item() == pytest.approx(2, abs=0.05)
    assert noise.log_scale.exp().item() == pytest.approx(0.1, rel=0.2)
