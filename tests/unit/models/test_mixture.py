import copy
from pathlib import Path

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, models
from hyperdnn.errors import BatchingError, ConfigError, ContextError

FLOAT = torch.float64
CONTEXTS = [(), (1,), (0,), (4,), (2, 3)]
EXPERTS = torch.arange(5)


class Net(nn.Module):
    """Returns a tree."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))

    def forward(self, x: Tensor) -> dict[str, Tensor | None]:
        y = self.layers(x)
        return {"y": y, "square": y.square().sum(-1), "none": None}


def hypernet(layout: hd.ParamLayout) -> hd.Hypernet:
    made = hd.Hypernet(encoder=encoders.Table(5, 4), body=bodies.MLP(4, 6), head=heads.FullHead(6, layout))
    return made.to(FLOAT)


def weight_mixture(gate: nn.Module | None = None) -> hd.HyperDNN:
    torch.manual_seed(0)
    target = hd.Target(Net().to(FLOAT))
    return hd.HyperDNN(target, models.WeightMixture(hypernet(target.layout), gate))


def output_mixture(gate: nn.Module | None = None) -> models.OutputMixture:
    target = hd.Target(Net().to(FLOAT))
    return models.OutputMixture(hd.HyperDNN(target, hypernet(target.layout)), gate)


def router() -> nn.Linear:
    return nn.Linear(3, 5, dtype=FLOAT)


@pytest.fixture
def as_for_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types are checked at run time in tests only."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.parametrize("contexts", CONTEXTS, ids=str)
def test_weights_are_the_plain_sum_for_every_context(contexts: tuple[int, ...]) -> None:
    model, gates = weight_mixture(), torch.rand(*contexts, 5, dtype=FLOAT)
    experts = model.hypernet.hypernet(EXPERTS)
    weights = model.generate((EXPERTS, gates))
    assert model.target.layout.check(weights) == contexts
    for name, weight in weights.items():
        plain = sum(
            gates[..., k].reshape(*contexts, *[1] * (experts[name].ndim - 1)) * experts[name][k] for k in range(5)
        )
        torch.testing.assert_close(weight, plain)


@pytest.mark.parametrize("contexts", CONTEXTS, ids=str)
def test_experts_may_differ_between_contexts(contexts: tuple[int, ...]) -> None:
    model, gates = weight_mixture(), torch.rand(*contexts, 3, dtype=FLOAT)
    ids = torch.randint(5, (*contexts, 3))
    mixed = model.target.layout.join(model.generate((ids, gates)))
    flat = model.target.layout.join(model.hypernet.hypernet(ids))
    torch.testing.assert_close(mixed, (gates.unsqueeze(-1) * flat).sum(-2))


def test_a_gate_reads_the_context_and_its_softmax_are_the_gates() -> None:
    gate = router()
    model, x = weight_mixture(gate), torch.randn(4, 3, dtype=FLOAT)
    given = models.WeightMixture(model.hypernet.hypernet)
    torch.testing.assert_close(model.generate((EXPERTS, x)), given((EXPERTS, gate(x).softmax(-1))))
    y = model.paired(x, context=(EXPERTS, x))["y"]
    each = [model.call(model.generate((EXPERTS, row)), row[None])["y"][0] for row in x]
    torch.testing.assert_close(y, torch.stack(each))
    y.square().sum().backward()
    assert gate.weight.grad.abs().max() > 0


def test_a_stack_of_hypernets_is_mixed_for_each_context() -> None:
    target = hd.Target(Net().to(FLOAT))
    parts = [hypernet(target.layout) for _ in range(2)]
    mixture = models.WeightMixture(models.Stack(parts))
    ids, gates = torch.tensor([4, 0, 2]), torch.rand(3, 2, dtype=FLOAT)
    flat = [target.layout.join(part(ids)) for part in parts]
    expected = gates[:, :1] * flat[0] + gates[:, 1:] * flat[1]
    torch.testing.assert_close(target.layout.join(mixture(((ids, ids), gates))), expected)


def test_a_one_hot_gate_picks_an_expert() -> None:
    model, x = weight_mixture(), torch.randn(6, 3, dtype=FLOAT)
    context = EXPERTS, torch.eye(5, dtype=FLOAT)[3]
    expected = model.call(model.hypernet.hypernet(torch.tensor(3)), x)
    torch.testing.assert_close(model(x, context=context), expected)
    torch.testing.assert_close(model.bake(context)(x), expected)


@pytest.mark.parametrize("samples", [(), (6,), (0,), (1,)], ids=str)
def test_outputs_are_the_plain_sum_exactly(samples: tuple[int, ...]) -> None:
    mixture, gates = output_mixture(), torch.rand(*samples, 5, dtype=FLOAT)
    x = torch.randn(*(samples or (6,)), 3, dtype=FLOAT)
    y = mixture(x, context=(EXPERTS, gates))
    assert y["none"] is None
    every = [mixture.model(x, context=expert) for expert in EXPERTS]
    for name in ("y", "square"):
        assert y[name].shape == every[0][name].shape
        shares = [gates[..., k].reshape(*samples, *[1] * (every[0][name].ndim - len(samples))) for k in range(5)]
        plain = sum(share * one[name] for share, one in zip(shares, every, strict=True))
        torch.testing.assert_close(y[name], plain, rtol=1e-13, atol=1e-14)


def test_outputs_have_one_gate_for_each_leading_dimension_of_the_data() -> None:
    mixture, gates = output_mixture(), torch.rand(2, 3, 5, dtype=FLOAT)
    x = torch.randn(2, 3, 3, dtype=FLOAT)
    y = mixture(x, context=(EXPERTS, gates))["y"]
    flat = mixture(x.flatten(0, 1), context=(EXPERTS, gates.flatten(0, 1)))["y"]
    torch.testing.assert_close(y, flat.unflatten(0, (2, 3)))


def test_mixing_outputs_of_a_linear_target_is_mixing_weights() -> None:
    target = hd.Target(nn.Linear(3, 2).to(FLOAT))
    model = hd.HyperDNN(target, hypernet(target.layout))
    gate, x = router(), torch.randn(6, 3, dtype=FLOAT)
    mixed = hd.HyperDNN(target, models.WeightMixture(model.hypernet, gate))
    outputs = models.OutputMixture(model, gate)(x, context=(EXPERTS, x))
    torch.testing.assert_close(mixed.paired(x, context=(EXPERTS, x)), outputs)


def test_both_are_twice_differentiable() -> None:
    x = torch.randn(2, 3, dtype=FLOAT, requires_grad=True)
    gates = torch.rand(2, 5, dtype=FLOAT, requires_grad=True)
    model, mixture = weight_mixture(), output_mixture()
    for call in (
        lambda x, gates: model.paired(x, context=(EXPERTS, gates))["y"],
        lambda x, gates: mixture(x, context=(EXPERTS, gates))["y"],
    ):
        assert torch.autograd.gradcheck(call, (x, gates), fast_mode=True)
        assert torch.autograd.gradgradcheck(call, (x, gates), fast_mode=True)


def test_under_vmap_values_are_the_same() -> None:
    model, mixture = weight_mixture(), output_mixture()
    gates, x = torch.rand(4, 5, dtype=FLOAT), torch.randn(4, 3, dtype=FLOAT)
    torch.testing.assert_close(
        torch.vmap(lambda g: model.generate((EXPERTS, g)))(gates), model.generate((EXPERTS, gates))
    )
    mapped = torch.vmap(lambda x, g: mixture(x, context=(EXPERTS, g))["y"])(x, gates)
    torch.testing.assert_close(mapped, mixture(x, context=(EXPERTS, gates))["y"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_type_follows_the_weights(dtype: torch.dtype) -> None:
    model, gates = weight_mixture().to(dtype), torch.rand(4, 5)
    assert {w.dtype for w in model.generate((EXPERTS, gates)).values()} == {dtype}
    assert output_mixture().to(dtype)(torch.randn(4, 3, dtype=dtype), context=(EXPERTS, gates))["y"].dtype == dtype


def test_groups_and_a_saved_mixture(tmp_path: Path) -> None:
    model = weight_mixture(router())
    groups = {group["name"]: group["params"] for group in model.parameter_groups()}
    assert list(groups) == ["encoder", "body", "head", "hypernet"]
    assert {id(p) for p in groups["hypernet"]} == {id(p) for p in model.hypernet.gate.parameters()}
    model.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"the saved hypernet is a WeightMixture .* hypernet="):
        hd.HyperDNN.from_pretrained(tmp_path, target=Net())
    fresh = copy.deepcopy(model.hypernet)
    for p in fresh.parameters():
        nn.init.zeros_(p)
    again = hd.HyperDNN.from_pretrained(tmp_path, target=Net(), hypernet=fresh)
    x = torch.randn(3, dtype=FLOAT)
    torch.testing.assert_close(again.generate((EXPERTS, x)), model.generate((EXPERTS, x)), rtol=0, atol=0)


def test_a_hypernet_without_a_layout() -> None:
    with pytest.raises(ConfigError, match="WeightMixture: Identity declares no layout"):
        models.WeightMixture(nn.Identity())


@pytest.mark.usefixtures("as_for_a_user")
@pytest.mark.parametrize(
    ("context", "words"),
    [
        (EXPERTS, r"expected a tuple \(experts' contexts, what the gates come from\), got a Tensor"),
        ((EXPERTS,), "got 1 entries"),
        ((EXPERTS, torch.rand(3)), r"a gate for each, got experts \(5,\) and gates \(3,\)"),
        ((EXPERTS[0], torch.rand(5)), r"got experts \(\) and gates \(5,\)"),
        (
            (EXPERTS, torch.arange(5)),
            r"gates: expected floating-point numbers \(\*contexts, experts\), got torch.int64",
        ),
        ((EXPERTS, torch.tensor(1.0)), r"gates: expected floating-point numbers .* got torch.float32 \(\)"),
        ((EXPERTS, None), "got NoneType"),
    ],
)
def test_contexts_that_do_not_fit(context: object, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        weight_mixture().generate(context)
    with pytest.raises(ContextError, match=words):
        output_mixture()(torch.randn(2, 3, dtype=FLOAT), context=context)


def test_gates_of_other_contexts_than_the_experts() -> None:
    with pytest.raises(ContextError, match=r"got experts \(2, 3\) and gates \(4, 3\)"):
        weight_mixture().generate((torch.ones(2, 3, dtype=torch.long), torch.rand(4, 3)))
    with pytest.raises(ContextError, match=r"gates are of samples \(4,\), but each network returned \(2, 2\)"):
        output_mixture()(torch.randn(2, 3, dtype=FLOAT), context=(EXPERTS, torch.rand(4, 5)))


def test_outputs_that_cannot_be_mixed() -> None:
    class Decides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x).argmax(-1)

    target = hd.Target(Decides().to(FLOAT))
    mixture = models.OutputMixture(hd.HyperDNN(target, hypernet(target.layout)))
    with pytest.raises(BatchingError, match=r"an output of torch.int64 cannot be mixed. Return floating-point"):
        mixture(torch.randn(2, 3, dtype=FLOAT), context=(EXPERTS, torch.rand(2, 5)))
