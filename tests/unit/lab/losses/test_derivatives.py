"""Every loss on weights: a number by hand, and two derivatives, with many contexts."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, targets
from hyperdnn.lab.losses import gaussian_entropy, gaussian_kl, orthogonality, output_change, remember, squared_norm

PLAIN = hd.ParamLayout.of(nn.Linear(2, 3))
GAUSSIAN = hd.Target(nn.Linear(2, 1), combine=targets.Gaussian()).layout
LOSSES = {
    squared_norm: PLAIN,
    orthogonality: PLAIN,
    gaussian_kl: GAUSSIAN,
    gaussian_entropy: GAUSSIAN,
}


def _weights(layout: hd.ParamLayout, *contexts: int) -> hd.Weights:
    return {s.name: torch.randn(*contexts, *s.shape, dtype=torch.float64, requires_grad=True) for s in layout}


def test_numbers_by_hand() -> None:
    plain = {"weight": torch.tensor([[1.0, 2.0], [0.0, 1.0], [2.0, 0.0]]), "bias": torch.tensor([3.0, 0.0, 4.0])}
    assert squared_norm(plain, PLAIN).item() == 1 + 4 + 1 + 4 + 9 + 16
    # The columns' products are [[5, 2], [2, 5]]: away from the identity by 4, 2, 2 and 4.
    assert orthogonality(plain, PLAIN).item() == 16 + 4 + 4 + 16
    # Three numbers of mean 1 and deviation 2: (4 + 1 - 1) / 2 - log 2 each, and log 2 + log(2 pi e) / 2.
    gaussian = {n: torch.full(GAUSSIAN[n].shape, math.log(2) if "log" in n else 1.0) for n in GAUSSIAN.names}
    assert gaussian_kl(gaussian, GAUSSIAN).item() == pytest.approx(3 * (2 - math.log(2)))
    entropy = 3 * (math.log(2) + 0.5 * math.log(2 * math.pi * math.e))
    assert gaussian_entropy(gaussian, GAUSSIAN).item() == pytest.approx(entropy)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("contexts", [(), (2,), (1, 2)], ids=str)
def test_both_derivatives_are_right(loss, contexts) -> None:
    layout = LOSSES[loss]
    weights = _weights(layout, *contexts)

    def value(*tensors: Tensor) -> Tensor:
        return loss(dict(zip(layout.names, tensors, strict=True)), layout)

    assert torch.autograd.gradcheck(value, tuple(weights.values()))
    if loss is not gaussian_entropy:  # linear in what is generated: it has no second derivative
        assert torch.autograd.gradgradcheck(value, tuple(weights.values()))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_mapped_over_contexts_it_is_the_same(loss) -> None:
    layout, weights = LOSSES[loss], _weights(LOSSES[loss], 4)
    mapped = torch.func.vmap(lambda one: loss(one, layout))(weights)
    torch.testing.assert_close(mapped, loss(weights, layout))


def test_the_distance_to_what_is_remembered_has_two_derivatives() -> None:
    """With respect to all of the hypernet's parameters but the remembered embeddings, which are constants."""
    head = heads.FullHead(3, PLAIN)
    body = bodies.MLP(2, 3, activation="tanh")
    hypernet = hd.Hypernet(encoder=encoders.Table(3, 2), body=body, head=head).double()
    memory = remember(hypernet, torch.arange(3))
    with torch.no_grad():
        for p in hypernet.parameters():
            p.add_(0.1 * torch.randn_like(p))
    names = [name for name, _ in hypernet.named_parameters() if not name.startswith("encoder.")]
    tensors = tuple(p.detach().clone().requires_grad_() for n, p in hypernet.named_parameters() if n in names)

    class Moved(nn.Module):
        """`output_change` asks the hypernet for its parameters: these are its own, replaced."""

        def __init__(self) -> None:
            super().__init__()
            self.hypernet = hypernet

        def forward(self) -> Tensor:
            return output_change(self.hypernet, memory)

    moved = Moved()

    def value(*given: Tensor) -> Tensor:
        return functional_call(moved, {f"hypernet.{n}": t for n, t in zip(names, given, strict=True)}, ())

    assert value(*tensors) > 0
    assert torch.autograd.gradcheck(value, tensors)
    assert torch.autograd.gradgradcheck(value, tensors)
