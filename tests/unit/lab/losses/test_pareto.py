import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.losses import _pareto as module
from hyperdnn.lab.losses import exact_pareto, exact_pareto_weights, linear_scalarization
from hyperdnn.lab.losses._simplex_program import solve_in_many

DOUBLE = torch.float64


def _case(*contexts: int, size: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Losses, rays and products of gradients of about equal length."""
    generator = torch.Generator().manual_seed(seed)
    losses = torch.rand(*contexts, size, generator=generator, dtype=DOUBLE) + 0.1
    rays = torch.rand(*contexts, size, generator=generator, dtype=DOUBLE) + 0.1
    gradients = torch.randn(*contexts, size, 6, generator=generator, dtype=DOUBLE)
    return losses, rays / rays.sum(-1, keepdim=True), gradients @ gradients.mT


def _plain(losses: list[float], ray: list[float], gram: Tensor) -> tuple[list[float], list[tuple[Tensor, float]]]:
    """The program as the publication writes it, for one context: objective, and constraints ``row x >= floor``."""
    size, scaled = len(losses), [r * one for r, one in zip(ray, losses, strict=True)]
    shares = [one / sum(scaled) for one in scaled]
    distance = sum(s * math.log(s * size) for s in shares)
    a = torch.tensor([r * (math.log(s * size) - distance) for r, s in zip(ray, shares, strict=True)], dtype=DOUBLE)
    toward = gram @ a
    if distance <= 1e-4:
        return gram.sum(0).tolist(), [(row, 0.0) for row in gram] + [(toward, min(toward.max().item(), 0.0))]
    if not any(toward > 0):
        return toward.tolist(), [(row, 0.0) for row in gram]
    constraints = []
    for j, row in enumerate(gram):
        if scaled[j] == max(scaled):
            constraints.append((row, 0.0))
        elif toward[j] <= 0:
            constraints.append((row, toward[j].item()))
    return toward.tolist(), constraints


def _best_on_a_grid(objective: list[float], constraints: list[tuple[Tensor, float]], steps: int) -> float:
    """The best value among evenly spread shares."""
    size, best = len(objective), -math.inf
    for counts in product(range(steps + 1), repeat=size - 1):
        if sum(counts) <= steps:
            x = torch.tensor([*counts, steps - sum(counts)], dtype=DOUBLE) / steps
            if all((row @ x).item() >= floor - 1e-6 for row, floor in constraints):
                best = max(best, sum(c * one for c, one in zip(objective, x.tolist(), strict=True)))
    return best


def test_linear_scalarization_weights_by_the_ray():
    losses, rays = torch.tensor([[1.0, 3.0], [2.0, 4.0]]), torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    assert linear_scalarization(losses, rays).tolist() == [2.5, 2.0]


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_the_weights_solve_the_published_program(size, seed):
    losses, ray, gram = _case(size=size, seed=seed)
    if seed % 4 == 0:
        losses = 0.2 / ray  # on the ray: descend
    shares = exact_pareto_weights(losses, ray, gram) / size
    objective, constraints = _plain(losses.tolist(), ray.tolist(), gram)
    assert shares.sum().item() == pytest.approx(1)
    best = _best_on_a_grid(objective, constraints, 400 if size == 2 else 60)
    if math.isfinite(best):
        assert all((row @ shares).item() >= floor - 1e-6 for row, floor in constraints)
        assert sum(c * x for c, x in zip(objective, shares.tolist(), strict=True)) >= best - 1e-6


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1e-8, 1.0, 1e6]), st.booleans())
def test_the_closed_form_of_two_is_what_the_linear_program_finds(seed, scale, on_the_ray):
    losses, rays, gram = _case(4, size=2, seed=seed)
    if on_the_ray:
        losses = 0.3 / rays
    closed = exact_pareto_weights(losses, rays, scale * gram)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "solve_in_two", solve_in_many)
        general = exact_pareto_weights(losses, rays, scale * gram)
    torch.testing.assert_close(closed, general, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [2, 3])
def test_contexts_are_programs_of_their_own(size):
    losses, rays, gram = _case(2, 3, size=size)
    found = exact_pareto_weights(losses, rays, gram)
    for i, j in product(range(2), range(3)):
        torch.testing.assert_close(found[i, j], exact_pareto_weights(losses[i, j], rays[i, j], gram[i, j]))
    assert exact_pareto_weights(losses[:0], rays[:0], gram[:0]).shape == (0, 3, size)


def test_the_ray_stands_in_where_there_is_no_solution(monkeypatch):
    monkeypatch.setattr(module, "solve_in_two", lambda objective, *_: torch.full_like(objective, torch.nan))
    losses, _, gram = _case(size=2)
    assert exact_pareto_weights(losses, torch.tensor([0.25, 0.75], dtype=DOUBLE), gram).tolist() == [0.5, 1.5]


@pytest.mark.parametrize("ray", [[1.0, 0.0], [1 - 1e-12, 1e-12]])
def test_a_ray_in_the_corner_lowers_the_only_loss_that_counts(ray):
    losses, gram = torch.tensor([0.7, 0.5]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    weights = exact_pareto_weights(losses, torch.tensor(ray), gram)
    assert weights.tolist() == pytest.approx([2.0, 0.0])


def test_gradients_are_those_of_the_parameters_given():
    net = nn.Linear(3, 2).double()
    x, ray = torch.randn(5, 3, dtype=DOUBLE), torch.tensor([0.3, 0.7], dtype=DOUBLE)
    losses = net(x).square().mean(0)
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(one, tuple(net.parameters()), retain_graph=True)])
        for one in losses
    ]
    gram = torch.stack(rows) @ torch.stack(rows).T
    weights = exact_pareto_weights(losses, ray, gram)
    loss = exact_pareto(losses, ray, net.parameters())
    torch.testing.assert_close(loss, (weights * losses.detach()).sum())
    loss.backward()  # the weights are constants
    torch.testing.assert_close(net.weight.grad.flatten(), (weights @ torch.stack(rows))[:6])


def test_networks_side_by_side_are_searched_one_by_one():
    weight = torch.randn(4, 3, 2, dtype=DOUBLE, requires_grad=True)
    x, rays = torch.randn(5, 3, dtype=DOUBLE), torch.rand(4, 2, dtype=DOUBLE) + 0.1
    together = exact_pareto((x @ weight).square().mean(1), rays, [weight])
    alone = []
    for one, ray in zip(weight.detach().unbind(), rays, strict=True):
        one.requires_grad_()
        alone.append(exact_pareto((x @ one).square().mean(0), ray, [one]))
    torch.testing.assert_close(together, torch.stack(alone))


def test_it_finds_the_exact_point_of_a_known_front():
    # Two distances to points 2 apart: on the front the losses are t^2 and (2 - t)^2.
    x = nn.Parameter(torch.tensor([1.0, 1.5]))
    ends, ray = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([0.8, 0.2])
    optimizer = torch.optim.SGD([x], lr=0.05)
    for _ in range(150):
        losses = (x - ends).square().sum(-1)
        optimizer.zero_grad()
        exact_pareto(losses, ray, [x]).backward()
        optimizer.step()
    assert (ray * losses)[0].item() == pytest.approx((ray * losses)[1].item(), rel=0.05)
    assert x[1].item() == pytest.approx(0, abs=0.05)


def test_frozen_and_unused_parameters_do_not_matter():
    used, unused = (nn.Parameter(torch.ones(2, dtype=DOUBLE)) for _ in range(2))
    frozen = nn.Parameter(torch.ones(2, dtype=DOUBLE), requires_grad=False)
    ray = torch.tensor([0.5, 0.5], dtype=DOUBLE)
    found = exact_pareto(used.square() * frozen, ray, [used, unused, frozen])
    assert found.item() == pytest.approx(exact_pareto(used.square(), ray, [used]).item())


def test_errors_say_what_to_do():
    losses, rays, gram = _case(3, size=2)
    weight = nn.Parameter(torch.ones(2))
    with pytest.raises(ConfigError, match="one number for each loss"):
        linear_scalarization(losses, rays[0])
    with pytest.raises(ConfigError, match=r"gram: expected \(3, 2, 2\)"):
        exact_pareto_weights(losses, rays, gram[0])
    with pytest.raises(ConfigError, match="Shift the losses"):
        exact_pareto_weights(-losses, rays, gram)
    with pytest.raises(ConfigError, match="none of them is trained"):
        exact_pareto(losses[0], rays[0], [torch.ones(2)])
    with pytest.raises(ConfigError, match="one ray at a time"):
        exact_pareto(losses.float() * weight, rays.float(), [weight])
