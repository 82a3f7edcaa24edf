import copy
import math
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import ParamSpec, init
from hyperdnn.errors import ConfigError
from hyperdnn.targets import Gaussian, LowRank, Replace, Residual, Scale

MATRIX = ParamSpec(name="a.weight", shape=(6, 4), kind="linear", init_std=0.3, init_mean=0.1, aliases=("b.weight",))
VECTOR = ParamSpec(name="a.bias", shape=(6,), kind="bias", init_std=0.3)
FILTER = ParamSpec(name="c.weight", shape=(6, 2, 3, 3), kind="convolution", init_std=0.3)


def test_replace_generates_the_parameter_itself() -> None:
    assert Replace().specs(MATRIX) == (MATRIX,)
    generated = torch.randn(2, 6, 4)
    assert Replace()([generated], None, (6, 4)) is generated


@pytest.mark.parametrize("combine", [Residual(), Scale()])
def test_a_change_starts_at_zero_and_has_no_alias(combine: Residual | Scale) -> None:
    (spec,) = combine.specs(MATRIX)
    assert (spec.name, spec.shape, spec.kind) == ("a.weight", (6, 4), "change")
    assert (spec.init_mean, spec.init_std, spec.aliases) == (0.0, 0.0, ())


def test_residual_adds_and_scale_multiplies() -> None:
    generated, base = torch.randn(2, 6, 4), torch.randn(6, 4)
    torch.testing.assert_close(Residual()([generated], base, (6, 4)), base + generated)
    torch.testing.assert_close(Scale()([generated], base, (6, 4)), base * (1 + generated))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("combine", [Residual(), Scale(), LowRank(2)])
def test_no_change_is_the_base_exactly(combine: Residual | Scale | LowRank, dtype: torch.dtype) -> None:
    base = torch.randn(6, 4).to(dtype)
    generated = [torch.randn(s.shape).to(dtype) * (s.init_std > 0) for s in combine.specs(MATRIX)]
    assert torch.equal(combine(generated, base, (6, 4)), base)


@pytest.mark.parametrize("spec", [MATRIX, FILTER], ids=["matrix", "filter"])
def test_low_rank_has_two_factors_of_which_the_second_starts_at_zero(spec: ParamSpec) -> None:
    left, right = LowRank(2).specs(spec)
    columns = spec.numel // 6
    assert (left.name, left.shape, left.init_std) == (f"{spec.name}.left", (6, 2), pytest.approx(6**-0.5))
    assert (right.name, right.shape, right.init_std) == (f"{spec.name}.right", (columns, 2), 0.0)
    assert {left.kind, right.kind} == {"change"}
    assert left.aliases == right.aliases == ()


@pytest.mark.parametrize("contexts", [(), (3,), (2, 3)])
def test_low_rank_builds_base_and_product(contexts: tuple[int, ...]) -> None:
    base, left, right = torch.randn(6, 2, 3, 3), torch.randn(*contexts, 6, 2), torch.randn(*contexts, 18, 2)
    out = LowRank(2)([left, right], base, (6, 2, 3, 3))
    expected = base + torch.einsum("...ir,...jr->...ij", left, right).reshape(*contexts, 6, 2, 3, 3)
    torch.testing.assert_close(out, expected)
    assert torch.linalg.matrix_rank((out - base).reshape(*contexts, 6, 18)).max() <= 2


def test_the_first_gradient_of_low_rank_is_not_zero() -> None:
    left, right = torch.randn(6, 2), torch.zeros(4, 2, requires_grad=True)
    LowRank(2)([left, right], torch.randn(6, 4), (6, 4)).square().sum().backward()
    assert right.grad.abs().max() > 0


def test_low_rank_of_a_vector_is_a_plain_change() -> None:
    (spec,) = LowRank(2).specs(VECTOR)
    assert (spec.name, spec.shape, spec.init_std) == ("a.bias", (6,), 0.0)
    generated, base = torch.randn(3, 6), torch.randn(6)
    torch.testing.assert_close(LowRank(2)([generated], base, (6,)), base + generated)


@pytest.mark.parametrize("rank", [-1, 0, 5])
def test_a_rank_fits_the_matrix(rank: int) -> None:
    with pytest.raises(ConfigError, match=rf"LowRank\({rank}\): 'a\.weight' is a 6 x 4 matrix, .* from 1 to 4"):
        LowRank(rank).specs(MATRIX)


def test_combines_are_values() -> None:
    assert LowRank(2) == LowRank(2) != LowRank(3)
    assert Residual() == Residual()
    assert [c.needs_base for c in (Replace(), Residual(), Scale(), LowRank(1))] == [False, True, True, True]


def _uncertain(net: nn.Module | None = None, **options: object) -> hd.HyperDNN:
    net = net or nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    return hd.HyperDNN.for_tasks(net, 3, combine=Gaussian(**options))


def test_a_gaussian_generates_mean_and_log_scale() -> None:
    mean, log_scale = Gaussian().specs(MATRIX)
    assert (mean.name, mean.shape, mean.init_mean, mean.init_std) == ("a.weight.mean", (6, 4), 0.1, 0.3)
    assert (log_scale.name, log_scale.shape, log_scale.init_std) == ("a.weight.log_scale", (6, 4), 0.0)
    assert math.exp(log_scale.init_mean) == pytest.approx(0.1 * math.sqrt(0.1**2 + 0.3**2))
    assert mean.aliases == log_scale.aliases == ()


@pytest.mark.parametrize(("mean", "start"), [(1.0, 0.05), (0.0, 0.05), (-2.0, 0.1)])
def test_a_gaussian_over_a_constant_tensor_starts_relative_to_it(mean: float, start: float) -> None:
    spec = ParamSpec(name="g", shape=(3,), init_mean=mean, init_std=0.0)
    assert math.exp(Gaussian(0.05).specs(spec)[1].init_mean) == pytest.approx(start)


def test_samples_have_the_generated_moments() -> None:
    mean, scale = torch.tensor([-1.0, 0.0, 3.0]), torch.tensor([0.1, 2.0, 0.5])
    samples = Gaussian()([mean.expand(20000, 3), scale.log().expand(20000, 3)], None, (3,))
    torch.testing.assert_close(samples.mean(0), mean, rtol=0, atol=0.06)
    torch.testing.assert_close(samples.std(0), scale, rtol=0.03, atol=0)
    assert abs(torch.corrcoef(samples.T)[0, 1]) < 0.03


def test_a_sample_is_reparameterised() -> None:
    mean, log_scale = torch.randn(5, requires_grad=True), torch.randn(5, requires_grad=True)
    sample = Gaussian()([mean, log_scale], None, (5,))
    by_mean, by_log_scale = torch.autograd.grad(sample.sum(), (mean, log_scale))
    torch.testing.assert_close(by_mean, torch.ones(5))
    torch.testing.assert_close(by_log_scale, sample - mean)


def test_every_call_and_every_context_draws_its_own_sample() -> None:
    model = _uncertain()
    weights = model.generate(torch.zeros(2, dtype=torch.long))
    first, second = model.target.effective(weights), model.target.effective(weights)
    assert not torch.equal(first["0.weight"], second["0.weight"])
    assert not torch.equal(first["0.weight"][0], first["0.weight"][1])


def test_samples_follow_their_generator_alone() -> None:
    outputs = []
    for seed in (0, 1):
        torch.manual_seed(0)
        model = _uncertain(generator=torch.Generator().manual_seed(7))
        torch.manual_seed(seed)
        outputs.append(model(torch.ones(3, 5, 3), context=torch.arange(3)))
    assert torch.equal(*outputs)


def test_a_generator_is_copied_with_its_state_and_does_not_count_in_comparisons() -> None:
    combine = Gaussian(generator=torch.Generator().manual_seed(7))
    generated = [torch.zeros(4), torch.zeros(4)]
    twins = [copy.deepcopy(combine), pickle.loads(pickle.dumps(combine))]
    draws = [one(generated, None, (4,)) for one in (combine, *twins)]
    assert torch.equal(draws[0], draws[1])
    assert torch.equal(draws[0], draws[2])
    assert combine == Gaussian() != Gaussian(0.2)


def test_at_the_mean_every_verb_is_exact() -> None:
    model, x = _uncertain(), torch.randn(3, 5, 3)
    weights = Gaussian.at_mean(model.generate(torch.arange(3)))
    effective = model.target.effective(weights)
    assert all(torch.equal(effective[name], weights[f"{name}.mean"]) for name in effective)
    one = {name: w[1] for name, w in weights.items()}
    expected = model.target(one, x[1])
    torch.testing.assert_close(model.target.batched(weights, x)[1], expected)
    torch.testing.assert_close(model.target.batched(weights, x, mode="loop")[1], expected)
    torch.testing.assert_close(model.target.paired(weights, x[:, 0])[1], expected[0])
    torch.testing.assert_close(model.target.grouped(weights, x[1], torch.full((5,), 1)), expected)
    torch.testing.assert_close(model.target.bake(one)(x[1]), expected)


def test_baking_draws_one_network() -> None:
    model, x = _uncertain(), torch.randn(5, 3)
    first, second = model.bake(torch.tensor(0)), model.bake(torch.tensor(0))
    assert torch.equal(first(x), first(x))
    assert not torch.equal(first(x), second(x))


def test_a_gaussian_starts_near_the_targets_own_start() -> None:
    model = hd.HyperDNN.for_tasks(nn.Linear(40, 60), 200, combine=Gaussian())
    spec = model.target.replaced["weight"]
    weights = model.generate(torch.arange(200))
    effective = model.target.effective(weights)["weight"]
    assert effective.std().item() == pytest.approx(spec.init_std * math.sqrt(1.01), rel=0.05)
    noise = (effective - weights["weight.mean"]).std()
    assert noise.item() == pytest.approx(0.1 * spec.init_std, rel=0.05)


@pytest.mark.parametrize("rule", [init.hyperfan_in, init.hyperfan_out])
def test_rules_for_layers_leave_the_start_of_a_gaussian(rule: init.Init) -> None:
    target = hd.Target(nn.Sequential(nn.Linear(3, 4), nn.GRU(4, 3), nn.LayerNorm(3)), combine=Gaussian())
    assert rule(target.layout) == init.matched(target.layout)


@pytest.mark.parametrize("scale", [0.0, -0.1, math.inf, math.nan])
def test_a_scale_is_positive(scale: float) -> None:
    with pytest.raises(ConfigError, match=rf"Gaussian: scale={scale}, expected a positive number"):
        Gaussian(scale)


def test_a_gaussian_model_is_saved_and_loaded(tmp_path: Path) -> None:
    model = _uncertain(scale=0.3)
    model.save_pretrained(tmp_path)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    again = hd.HyperDNN.from_pretrained(tmp_path, target=net)
    assert again.target.combine == Gaussian(0.3)
    weights = again.generate(torch.arange(3))
    assert all(torch.equal(w, weights[name]) for name, w in model.generate(torch.arange(3)).items())
