import torch

from hyperdnn.lab.losses import gaussian_nll


def test_it_is_torchs_normal_density() -> None:
    outputs, targets = torch.randn(3, 5, 2), torch.randn(5)
    mean, log_scale = outputs.unbind(-1)
    expected = -torch.distributions.Normal(mean, log_scale.exp()).log_prob(targets)
    torch.testing.assert_close(gaussian_nll(outputs, targets), expected)
    torch.testing.assert_close(gaussian_nll(outputs[0], targets), expected[0])


def test_the_best_noise_is_the_error() -> None:
    targets = 3 * torch.randn(2000, generator=torch.Generator().manual_seed(0)).double()
    scales = torch.linspace(0.5, 1.7, 121).double()
    outputs = torch.stack([torch.zeros(121, 2000), scales[:, None].expand(-1, 2000)], dim=-1).double()
    best = scales[gaussian_nll(outputs, targets).mean(-1).argmin()]
    torch.testing.assert_close(best.exp(), targets.std(), rtol=0.02, atol=0)
