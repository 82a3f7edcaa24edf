import pytest
import torch

from hyperdnn.encoders import Noise


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
