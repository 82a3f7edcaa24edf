"""An agent whose critic is generated from what it sees (HypeRL): the state makes a network of the action.

Sarafian, Keynan & Kraus, "Recomposing the Reinforcement Learning Building Blocks with Hypernetworks", ICML 2021
(arXiv:2106.06842).

A critic says what an action is worth in a state, and the policy follows its gradient with respect to the action. Usually
one network reads state and action side by side, though they have different parts to play: the state says which problem
there is, the action is a small deviation within it. Here a hypernet reads the state and generates a small network of the
action. What the state is worth can then be said without the action, and the gradient is to be the better for it.

Faithful.
    The hypernet is the published one: linear layers that widen, with two residual blocks ``x + W relu(W relu(x))`` after
    each, and an output map for each generated tensor. The generated network is ``w2 relu(w1 a * s1 + b1) * s2 + b2``
    with gains ``s = 1 + generated``, for each state of a batch its own. The trunk starts uniform within
    ``1 / (2 sqrt(fan-in))``, maps within .05 for the first layer and .008 for the last, with zero biases. TD3 is as it
    is: two critics, the lower of which is believed, smoothed target actions, a policy that moves every other time, and
    copies of everything that is trained, the hypernets and not what they generate, that follow slowly. The policy's
    gradient reaches it through the action alone: generated weights depend on the state. An episode that is cut off has
    not ended. The hypernet has the smaller learning rate.

Differs.
    Sizes: the default setting is about a tenth as wide, so the maps' bounds are multiplied by the root of 1024 over the
    trunk's width, which leaves generated weights as spread as there. One Adam takes the critics' and the policy's steps
    in turn. Observations are divided by their range, for all networks; rewards by a constant, in the small settings. On
    ``quadratic`` the best policy and its values are known: critics alone are trained there, to value that policy, on
    steps of random actions. "matched" is a concatenating critic with as many parameters.

Expected.
    Nothing was measured yet.
"""

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, Final, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import encoders, heads, lab, models
from hyperdnn.errors import ConfigError
from hyperdnn.nn import Residual

BOUNDS: Final = (0.05, 0.008)
"""Of the maps that make the first and the last layer of the generated network, for a trunk of width 1024."""
PROBES: Final = 1000
"""States and actions at which gradients are compared."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults: the published sizes; the publication's environments have newer versions now."""

    seed: int = 0
    environment: str = "Hopper-v5"  # of gymnasium, or "point mass"
    discount: float = 0.99
    trunk: tuple[int, ...] = (256, 512, 1024)  # widths of the hypernet
    units: int = 256  # of the generated network
    critic: tuple[int, ...] = (256, 256)  # hidden widths of a concatenating critic; of "matched", all are scaled
    policy: tuple[int, ...] = (256, 256)  # hidden widths
    delay: int = 2  # steps of the critics for one of the policy
    follow: float = 0.005  # by which the copies move towards what is trained, at each step of the policy
    smooth: tuple[float, float] = (0.2, 0.5)  # deviation and bound of the noise on target actions
    explore: float = 0.1  # deviation of the noise on actions that are taken
    rewards: float = 1.0  # what they are multiplied with
    returns: tuple[float, float] = (0.0, 3000.0)  # of an episode, that score 0 and 1
    episodes: int = 10  # that measure the agent, side by side
    policy_lr: float = 3e-4  # that of the critics is train.lr
    rollouts: lab.train.RolloutSettings = lab.train.RolloutSettings(start=10_000, collect=2, updates=3)
    train: lab.train.Settings = lab.train.Settings(iterations=1_500_000, batch_size=100, lr=5e-5)

    def __post_init__(self) -> None:
        lab.config.check_least(self, 0, "seed", "smooth", "explore", "follow", "policy_lr")
        lab.config.check_least(self, 1, "trunk", "units", "critic", "policy", "delay", "episodes")
        if not self.returns[0] < self.returns[1]:
            raise ConfigError(
                f"returns: expected the one that scores 0 below the one that scores 1, got {self.returns}."
            )


@final
class Gained(nn.Module):
    """A linear layer whose outputs have gains of their own, around one."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        linear = nn.Linear(inputs, outputs)
        self.weight, self.bias = linear.weight, linear.bias
        self.gain = nn.Parameter(torch.zeros(outputs))

    def forward(self, rows: Tensor) -> Tensor:
        return F.linear(rows, self.weight) * (1 + self.gain) + self.bias


@final
class Both(nn.Module):
    """Two networks of the same rows: ``(n, inputs)`` -> ``(n, 2)``."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.nets = nn.ModuleList([first, second])

    def forward(self, rows: Tensor) -> Tensor:
        return torch.cat([net(rows) for net in self.nets], dim=-1)


@final
class Generated(nn.Module):
    """Two critics whose networks are generated from one of their inputs, and read the other one."""

    def __init__(self, model: hd.HyperDNN, *, by_action: bool) -> None:
        super().__init__()
        self.model = model
        self.by_action = by_action

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        context, rows = (actions, states) if self.by_action else (states, actions)
        values: Tensor = self.model.paired(rows, context=(context, context))
        return values


@final
class Concatenated(nn.Module):
    """Two critics that read state and action side by side."""

    def __init__(self, nets: Both) -> None:
        super().__init__()
        self.nets = nets

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        values: Tensor = self.nets(torch.cat([states, actions], dim=-1))
        return values


@final
class Given(nn.Module):
    """A policy with nothing to learn, of observations that were divided by their scale."""

    scale: Tensor

    def __init__(self, policy: lab.data.Behaviour, scale: Tensor) -> None:
        super().__init__()
        self.policy = policy
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, observations: Tensor) -> Tensor:
        return self.policy(observations * self.scale)


@final
class Agent(nn.Module):
    """A policy, its critics, and copies of both that follow them."""

    scale: Tensor

    def __init__(self, critics: nn.Module, policy: nn.Module, scale: Tensor) -> None:
        super().__init__()
        self.critics, self.policy = critics, policy
        self.slow_critics, self.slow_policy = (deepcopy(part).requires_grad_(False) for part in (critics, policy))
        self.register_buffer("scale", scale)

    def act(self, observations: Tensor) -> Tensor:
        """What the policy does."""
        actions: Tensor = self.policy(observations / self.scale)
        return actions

    def values(self, observations: Tensor, actions: Tensor) -> Tensor:
        """What both critics say, ``(n, 2)``."""
        values: Tensor = self.critics(observations / self.scale, actions)
        return values

    @torch.no_grad()
    def target(self, batch: lab.data.Transitions, noise: Tensor, discount: float) -> Tensor:
        """What the critics are to say: the reward, and what follows as the copies see it, unless nothing can follow."""
        following = batch.following / self.scale
        actions = (self.slow_policy(following) + noise).clamp(-1, 1)
        lower: Tensor = self.slow_critics(following, actions).amin(-1)
        return batch.rewards + discount * (1 - batch.terminated) * lower

    @torch.no_grad()
    def follow(self, rate: float) -> None:
        """Move the copies."""
        for slow, fast in ((self.slow_critics, self.critics), (self.slow_policy, self.policy)):
            for behind, ahead in zip(slow.parameters(), fast.parameters(), strict=True):
                behind.lerp_(ahead, rate)


def data(config: Config) -> lab.data.Environment:
    """Where the agent acts."""
    if config.environment == "point mass":
        return lab.data.point_mass(config.discount, episodes=config.episodes, reference=config.returns)
    return lab.data.environment(config.environment, episodes=config.episodes, reference=config.returns)


def build(config: Config) -> Agent:
    """TD3 whose critics are generated from the state."""
    where = data(config)
    return build_agent(config, where, build_generated(config, len(where.scale), where.train.actions))


def build_by_action(config: Config) -> Agent:
    """The other way round: the action makes a network of the state."""
    where = data(config)
    return build_agent(config, where, build_generated(config, where.train.actions, len(where.scale), by_action=True))


def build_concatenated(config: Config) -> Agent:
    """Usual critics."""
    where = data(config)
    return build_agent(config, where, build_plain(len(where.scale) + where.train.actions, config.critic))


def build_matched(config: Config) -> Agent:
    """Usual critics with as many parameters as the generated ones have."""
    where = data(config)
    observations, actions = len(where.scale), where.train.actions
    wanted = numel(build_generated(config, observations, actions))
    for width in range(1, wanted):
        critics = build_plain(observations + actions, (width,) * len(config.critic))
        if numel(critics) >= wanted:
            break
    return build_agent(config, where, critics)


def build_agent(config: Config, where: lab.data.Environment, critics: nn.Module) -> Agent:
    """Critics with a policy: the best one, where it is known, for the critics to value."""
    if where.optimum is not None:
        return Agent(critics, Given(where.optimum, where.scale), where.scale)
    policy = nn.Sequential(build_mlp(len(where.scale), config.policy, where.train.actions), nn.Tanh())
    return Agent(critics, policy, where.scale)


def build_generated(config: Config, context: int, inputs: int, *, by_action: bool = False) -> Generated:
    """Two hypernets that share nothing, each for a network of its own."""
    nets = (nn.Sequential(Gained(inputs, config.units), nn.ReLU(), Gained(config.units, 1)) for _ in range(2))
    target = hd.Target(Both(*nets))
    layouts = [target.layout.select(f"nets.{k}.*") for k in range(2)]
    hypernets = [build_hypernet(config, context, layout) for layout in layouts]
    return Generated(hd.HyperDNN(target, models.Join(target.layout, hypernets)), by_action=by_action)


def build_hypernet(config: Config, context: int, layout: hd.ParamLayout) -> hd.Hypernet:
    """The published trunk, and an output map for each tensor of two layers."""
    layers: list[nn.Module] = []
    for before, after in pairwise((context, *config.trunk)):
        blocks = (nn.ReLU(), nn.Linear(after, after), nn.ReLU(), nn.Linear(after, after))
        layers += [nn.Linear(before, after), Residual(*deepcopy(blocks)), Residual(*deepcopy(blocks))]
    trunk = nn.Sequential(*layers)
    for layer in trunk.modules():
        if isinstance(layer, nn.Linear):
            uniform(layer.weight, 0.5 * layer.in_features**-0.5)
    head = heads.MultiHead(config.trunk[-1], layout, normalize=False)
    width = (1024 / config.trunk[-1]) ** 0.5
    for name, linear in zip(layout.names, head.linears, strict=True):
        assert isinstance(linear, nn.Linear)
        uniform(linear.weight, width * BOUNDS[name.split(".")[2] == "2"])
        nn.init.zeros_(linear.bias)
    return hd.Hypernet(encoder=encoders.Vector(context), body=trunk, head=head)


def build_plain(inputs: int, widths: tuple[int, ...]) -> Concatenated:
    """Two usual networks."""
    return Concatenated(Both(*(build_mlp(inputs, widths, 1) for _ in range(2))))


def build_mlp(inputs: int, widths: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Linear layers with ReLUs between them, which start as torch's do, like those of TD3."""
    layers = [layer for a, b in pairwise((inputs, *widths)) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


def uniform(weight: Tensor, bound: float) -> None:
    """Start within bounds."""
    nn.init.uniform_(weight, -bound, bound)


def numel(module: nn.Module) -> int:
    """Parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def act(model: Agent, observations: Tensor, state: lab.train.State) -> Tensor:
    """The policy's action, with noise to explore."""
    actions = model.act(observations)
    noise = torch.randn(actions.shape, generator=state.generator).to(actions)
    return (actions + state.config.explore * noise).clamp(-1, 1)


def step_critics(model: Agent, batch: lab.data.Transitions, state: lab.train.State) -> dict[str, Tensor]:
    """The squared error of both critics; the copies move once in a cycle of turns, before anything else."""
    config = state.config
    if state.step % (config.delay + learns(model)) == 0:
        model.follow(config.follow)
    deviation, bound = config.smooth
    noise = (deviation * torch.randn(batch.actions.shape, generator=state.generator)).clamp(-bound, bound)
    batch = replace(batch, rewards=config.rewards * batch.rewards)
    wanted = model.target(batch, noise.to(batch.actions), config.discount)
    values = model.values(batch.observations, batch.actions)
    return {"loss": 2 * F.mse_loss(values, wanted[:, None].expand_as(values)), "value": values.mean()}


def step_policy(model: Agent, batch: lab.data.Transitions, state: lab.train.State) -> dict[str, Tensor]:
    """The value of what the policy does, in the first critic's eyes."""
    value = model.values(batch.observations, model.act(batch.observations))[:, 0].mean()
    return {"loss": -value}


def learns(model: Agent) -> bool:
    """Whether there is a policy to be learnt."""
    return any(True for _ in model.policy.parameters())


CRITICS = lab.train.Turn(part="critics", step=step_critics, times=lambda config: config.delay)
POLICY = lab.train.Turn(part="policy", step=step_policy, lr=lambda config: config.policy_lr)


def step(model: Agent, batch: lab.data.Transitions, state: lab.train.State) -> dict[str, Tensor]:
    """TD3: some steps of the critics, one of the policy if it is to be learnt."""
    turns = (CRITICS, POLICY) if learns(model) else (CRITICS,)
    return lab.train.in_turns(*turns)(model, batch, state)


def evaluate(model: Agent, where: lab.data.Environment) -> dict[str, Any]:
    """Returns of episodes without noise; and how nearly the first critic's gradient points where it should."""
    returns = where.test.returns(model.act)
    found = {"return": returns.mean().item(), "score": where.score(returns).mean().item()}
    if where.action_gradient is None:
        return {**found, "scores": where.score(returns).tolist()}
    probes = where.test.sample(PROBES, generator=torch.Generator().manual_seed(where.test.seeds[0]))
    truth = where.action_gradient(probes.observations, probes.actions)
    cosines = F.cosine_similarity(action_gradient(model, probes.observations, probes.actions), truth)
    return {**found, "cosine": cosines.mean().item(), "scores": where.score(returns).tolist()}


def action_gradient(model: Agent, observations: Tensor, actions: Tensor) -> Tensor:
    """The gradient of the first critic with respect to the action."""
    with torch.enable_grad():
        actions = actions.detach().requires_grad_()
        gradient, *_ = torch.autograd.grad(model.values(observations, actions)[:, 0].sum(), actions)
        return gradient


RECIPE = lab.Recipe(
    summary="An agent whose critic is a network of the action, which a hypernet generates from the state.",
    config=Config,
    build=build,
    data=data,
    step=step,
    evaluate=evaluate,
    loop=partial(lab.train.rollouts, act=act, area=("score",)),
    reference=lab.Reference(
        title="Recomposing the Reinforcement Learning Building Blocks with Hypernetworks",
        authors="Sarafian, Keynan & Kraus",
        venue="ICML",
        year=2021,
        url="https://arxiv.org/abs/2106.06842",
    ),
    claims=(
        lab.Claim(
            text="On the pendulum, the area under its learning curve is at least 95 % of that of concatenating critics "
            "with as many parameters.",
            config="default",
            metric="hypernet/area_score",
            over="matched/area_score",
            at_least=0.95,
        ),
        lab.Claim(
            text="Its gradients with respect to the action are nearer to the true ones than those of concatenating "
            "critics with as many parameters: by .05, as a cosine.",
            config="quadratic",
            metric="hypernet/cosine",
            minus="matched/cosine",
            at_least=0.05,
        ),
        lab.Claim(
            text="A network of the action, made from the state, has better gradients than a network of the state, made "
            "from the action.",
            config="quadratic",
            metric="hypernet/cosine",
            minus="by action/cosine",
            at_least=0.0,
        ),
    ),
    variants={
        "hypernet": lab.Variant(),
        "matched": lab.Variant(build=build_matched),
        "concatenated": lab.Variant(build=build_concatenated),
        "by action": lab.Variant(build=build_by_action),
    },
    figures=lab.report.rollout_figures,
    seeds=5,
    space={"train.lr": "1e-5..3e-3:log", "policy_lr": "1e-4..3e-3:log"},
)
