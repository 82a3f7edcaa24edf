"""One loss of several, for the trade-off that a ray asks for."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from hyperdnn.errors import ConfigError
from hyperdnn.lab.losses._simplex_program import solve_in_many, solve_in_two

__all__ = ["exact_pareto", "exact_pareto_weights", "linear_scalarization"]

_ON_THE_RAY = 1e-4  # non-uniformity up to which losses are merely lowered


def linear_scalarization(
    losses: Float[Tensor, "*contexts objectives"], rays: Float[Tensor, "..."]
) -> Float[Tensor, "*contexts"]:
    """The sum of the losses, weighted by the ray: its minima make up the convex part of the front.

    Args:
        losses: of each context.
        rays: what each context asks for, of the same shape; a large component makes its loss small.
    """
    _check(losses, rays)
    return (rays * losses).sum(-1)


def exact_pareto(
    losses: Float[Tensor, "*contexts objectives"],
    rays: Float[Tensor, "..."],
    parameters: Iterable[Tensor],
) -> Float[Tensor, "*contexts"]:
    """The sum of the losses under weights that lead to the front where ``r_1 l_1 = ... = r_J l_J`` (EPO).

    The weights are found anew at every step from the losses' gradients (see `exact_pareto_weights`): one backward pass
    for each loss, and as much memory as their gradients, before the one that the result takes. Of a hypernet, give its
    own parameters, not what it generates.

    Args:
        losses: 0 or more.
        rays: 0 or more, of the same shape.
        parameters: what is trained. With context dimensions, every parameter must have them in front, as networks that
            are trained side by side have (`baselines.Many`): a hypernet takes one ray at a time.

    Raises:
        ConfigError: shapes that do not fit, negative numbers, or nothing that is trained.

    Source:
        Mahapatra & Rajan, "Multi-task learning with user preferences: gradient descent with controlled ascent in Pareto
        optimization", ICML 2020, on a hypernet as Navon et al., "Learning the Pareto front with hypernetworks", ICLR
        2021.
    """
    _check(losses, rays)
    contexts = losses.shape[:-1]
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        raise ConfigError("parameters: none of them is trained. Give the hypernet's, such as model.parameters().")
    for parameter in trained:
        if parameter.shape[: len(contexts)] != contexts:
            raise ConfigError(
                f"parameters: expected context dimensions {tuple(contexts)} in front, as the losses have, got "
                f"{tuple(parameter.shape)}. A hypernet's parameters belong to all rays: give one ray at a time."
            )
    rows = [_gradients(losses[..., j].sum(), trained, len(contexts)) for j in range(losses.shape[-1])]
    gram = sum(torch.stack(one, dim=-2) @ torch.stack(one, dim=-1) for one in zip(*rows, strict=True))
    assert isinstance(gram, Tensor)
    return (exact_pareto_weights(losses.detach(), rays, gram) * losses).sum(-1)


def exact_pareto_weights(
    losses: Float[Tensor, "*contexts objectives"],
    rays: Float[Tensor, "..."],
    gram: Float[Tensor, "..."],
) -> Float[Tensor, "*contexts objectives"]:
    """The weights of EPO: non-negative, of sum J, solutions of a linear program for each context.

    Off the ray they are those of the direction that brings the shares ``r_j l_j`` closest to equal without raising the
    largest one; on the ray those of the steepest descent of all losses. Two losses are solved in closed form, all
    contexts at once; more of them one by one by scipy. Where the program has no solution, or leaves the choice open, as
    for a ray in a corner, the ray itself is taken.

    Args:
        losses: 0 or more.
        rays: 0 or more, of the same shape.
        gram: products of the losses' gradients with each other, ``(*contexts, objectives, objectives)``.

    Raises:
        ConfigError: shapes that do not fit, or negative numbers.

    Source:
        Mahapatra & Rajan, ICML 2020, equations 22 to 24, in the form of the authors' and Navon et al.'s code.
    """
    _check(losses, rays)
    size = losses.shape[-1]
    if gram.shape != (*losses.shape, size):
        raise ConfigError(f"gram: expected {(*losses.shape, size)}, got {tuple(gram.shape)}.")
    if bool((losses < 0).any()) or bool((rays < 0).any()):
        raise ConfigError("exact_pareto: expected losses and rays of 0 or more. Shift the losses by their lower bound.")
    losses, ray, gram = losses.detach().double(), rays.detach().double(), gram.detach().double()
    gram = gram / gram.abs().amax((-2, -1), keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    scaled = ray * losses
    shares = scaled / scaled.sum(-1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    logs = (shares * size).clamp_min(torch.finfo(torch.float64).tiny).log()
    distance = (shares * logs).sum(-1, keepdim=True)
    toward = (gram @ (ray * (logs - distance)).unsqueeze(-1)).squeeze(-1)
    balance = distance > _ON_THE_RAY
    objective = torch.where(balance, toward, gram.sum(-2))
    matrix = torch.cat([gram, toward.unsqueeze(-2)], dim=-2)
    lower = torch.where(balance, _floors_off_the_ray(toward, scaled), _floors_on_the_ray(toward))
    solve = solve_in_two if size == 2 else solve_in_many
    found = solve(objective, matrix, lower)
    decided = found.isfinite() & (objective != objective[..., :1]).any(-1, keepdim=True)
    return (size * torch.where(decided, found, ray / ray.sum(-1, keepdim=True))).to(rays.dtype)


def _floors_off_the_ray(toward: Tensor, scaled: Tensor) -> Tensor:
    """What each loss's descent must reach: one that balancing lowers may do anything, the largest must not rise."""
    largest = scaled == scaled.amax(-1, keepdim=True)
    lowered = toward > 0
    floors = toward.masked_fill(lowered, -torch.inf).masked_fill(largest, 0.0)
    floors = torch.where(lowered.any(-1, keepdim=True), floors, 0.0)
    return torch.cat([floors, torch.full_like(floors[..., :1], -torch.inf)], dim=-1)


def _floors_on_the_ray(toward: Tensor) -> Tensor:
    """No loss may rise, and no share may leave the others further than it must."""
    return torch.cat([torch.zeros_like(toward), toward.amax(-1, keepdim=True).clamp_max(0)], dim=-1)


def _gradients(loss: Tensor, parameters: list[Tensor], leading: int) -> list[Tensor]:
    """The loss's gradient by parameter, each as one row ``(*contexts, numel)``."""
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    gradients = (torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters, strict=True))
    return [g.unsqueeze(-1).flatten(leading) for g in gradients]


def _check(losses: Tensor, rays: Tensor) -> None:
    if losses.shape != rays.shape or not losses.ndim:
        raise ConfigError(
            f"rays: expected one number for each loss, {tuple(losses.shape)}, got {tuple(rays.shape)}. A ray for many "
            "contexts is expanded to them."
        )
