import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import LinearQuadratic, point_mass


def system(seed: int = 0, discount: float = 0.9) -> LinearQuadratic:
    generator = torch.Generator().manual_seed(seed)
    a, b, q, r = (
        torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((3, 3), (3, 2), (3, 3), (2, 2))
    )
    return LinearQuadratic(a=0.5 * a, b=b, q=q @ q.T, r=r @ r.T + torch.eye(2), discount=discount)


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize("seed", range(5))
def test_the_value_is_the_sum_of_what_the_best_policy_earns(seed):
    one, states, actions = system(seed), rows(4, 3), rows(4, 2)
    total, discount, now, do = torch.zeros(4, dtype=torch.float64), 1.0, states, actions
    for _ in range(400):
        total += discount * one.reward(now, do)
        discount, now = 0.9 * discount, one.following(now, do)
        do = one.optimum(now)
    torch.testing.assert_close(one.value(states, actions), total)


def test_no_action_is_better_than_the_best():
    one, states = system(), rows(4, 3)
    best = one.value(states, one.optimum(states))
    torch.testing.assert_close(best, -((states @ one.cost) * states).sum(-1))
    for scale in (1e-3, 1.0):
        assert (one.value(states, one.optimum(states) + scale * rows(4, 2)) < best).all()


def test_the_gradient_is_that_of_the_value():
    one, states, actions = system(), rows(4, 3), rows(4, 2).requires_grad_()
    (expected,) = torch.autograd.grad(one.value(states, actions).sum(), actions)
    torch.testing.assert_close(one.action_gradient(states, actions), expected)
    assert one.action_gradient(states.float(), actions.float()).dtype == torch.float32


def test_riccati_s_equation_as_scipy_solves_it():
    linalg = pytest.importorskip("scipy.linalg")
    one = system()
    expected = linalg.solve_discrete_are(0.9**0.5 * one.a, 0.9**0.5 * one.b, one.q, one.r)
    torch.testing.assert_close(one.cost, torch.from_numpy(expected))


def test_the_best_actions_of_the_mass_are_within_reach():
    where = point_mass(0.97)
    steps = where.test.sample(1000, generator=torch.Generator().manual_seed(0))
    assert (where.optimum(steps.observations).abs() < 1).float().mean() > 0.95
    assert where.scale.shape == steps.observations.shape[1:]
    assert not steps.terminated.any()


def test_the_mass_moves_as_masses_do():
    world = point_mass(0.9).train.make()
    (x, y, vx, vy), _ = world.reset(seed=1)
    (x1, y1, vx1, vy1), reward, terminated, truncated, _ = world.step(torch.tensor([0.5, -1.0]).numpy())
    assert (vx1 - vx) / (vy1 - vy) == pytest.approx(-0.5)
    seconds = (vx1 - vx) / 0.5
    assert x1 - x == pytest.approx(seconds * (vx + vx1) / 2)
    assert y1 - y == pytest.approx(seconds * (vy + vy1) / 2)
    assert reward < 0
    assert (terminated, truncated) == (False, False)


def test_an_episode_is_cut_off_and_begins_anew():
    world = point_mass(0.9).train.make()
    first, _ = world.reset(seed=1)
    cuts = [world.step(torch.zeros(2).numpy())[3] for _ in range(20)]
    assert cuts == [False] * 19 + [True]
    assert world.reset(seed=1)[0].equal(first)
    assert not world.reset(seed=2)[0].equal(first)


def test_the_best_policy_earns_more_than_others():
    where = point_mass(0.97, episodes=50)
    best, still = where.test.returns(where.optimum), where.test.returns(lambda seen: torch.zeros(len(seen), 2))
    noisy = where.test.returns(lambda seen: where.optimum(seen) + 0.5)
    assert best.mean() > noisy.mean()
    assert best.shape == still.shape == (50,)


@pytest.mark.parametrize("discount", [0.0, 1.0, -1.0, float("nan")])
def test_a_discount_that_has_no_values_is_refused(discount):
    with pytest.raises(ConfigError, match="discount: expected more than 0 and less than 1"):
        point_mass(discount)
