"""What a naive reading of SMASH gets wrong."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab import spaces
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.architecture import smash

TINY = configuration("architecture/smash", "tiny")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return smash.build(TINY)


def _state(model, config=TINY, step=0, task=0):
    state = lab.train.State(model=model, config=config, generator=torch.Generator().manual_seed(0))
    state.step, state.task = step, task
    return state


def _images(size=8):
    return torch.randn(size, 1, 8, 8)


def test_only_the_convolutions_that_open_operations_are_generated(model):
    assert model.generated.target.layout.names == ("ops.0.opening.weight", "ops.1.opening.weight")
    assert all(spec.shape == (4, 6, 1, 1) for spec in model.generated.target.layout)
    kept = {name for name, _ in model.generated.target.named_parameters()}
    names = ("stem.weight", "ops.0.main.weight", "ops.1.main.weight", "transitions.0.weight", "out.weight", "out.bias")
    assert kept == {f"module.{name}" for name in names}


def test_a_kernel_is_divided_by_one_norm_and_not_one_for_each_channel():
    layer, x = smash.Convolution(2, 3), torch.randn(1, 2, 5, 5)
    with torch.no_grad():
        layer.weight[0].mul_(10)
    expected = F.conv2d(x, layer.weight, padding=1) / layer.weight.square().sum().sqrt()
    torch.testing.assert_close(layer(x), expected)
    by_channel = F.conv2d(x, layer.weight / layer.weight.flatten(1).norm(dim=1)[:, None, None, None], padding=1)
    assert not layer(x).allclose(by_channel)
    with torch.no_grad():
        layer.weight.mul_(7)
    torch.testing.assert_close(layer(x), expected)


def test_the_hypernet_is_densely_connected_with_a_transition_between_its_parts(model):
    features = len(TINY.banks.features)
    shapes = [tuple(p.shape) for p in model.generated.hypernet.parameters()]
    first = features + 2 + 2
    half = first // 2
    assert shapes == [
        (2, features, 3, 3),
        (2, features + 2, 3, 3),
        (half, first, 3, 3),
        (2, half, 3, 3),
        (4, half + 2, 1, 1),  # for each cell of the encoding a bank by a bank
    ]


def test_a_cell_of_the_encoding_becomes_the_weights_between_its_two_banks(model):
    hypernet = model.generated.hypernet
    cells = torch.randn(3, 4, 2, 2 * 3)
    hypernet.layers = torch.nn.Identity()
    weights = hypernet(cells)
    for op in range(2):
        kernel = weights[f"ops.{op}.opening.weight"]
        assert kernel.shape == (3, 4, 6, 1, 1)
        for written in range(2):
            for read in range(3):
                block = kernel[:, 2 * written : 2 * written + 2, 2 * read : 2 * read + 2, 0, 0]
                cell = cells[:, :, written, 3 * op + read].reshape(3, 2, 2)
                assert block.equal(cell)


def test_encodings_alone_and_together_give_the_same_weights(model):
    together = model.generated.generate(model.codes)
    for row, code in enumerate(model.codes):
        alone = model.generated.generate(code)
        for name, kernels in together.items():
            assert alone[name].shape == (4, 6, 1, 1)
            torch.testing.assert_close(kernels[row], alone[name])


def test_what_is_read_decides_what_is_generated_for_it(model):
    """A cell looks at its neighbours, so weights change with the encoding of the operations beside."""
    op = spaces.Op(block=0, reads=(0,), writes=(0,), kernel=1, dilation=1)
    codes = [TINY.banks.encode((replace(op, kernel=kernel), replace(op, block=1))) for kernel in (1, 3)]
    one, other = (model.generated.generate(code)["ops.0.opening.weight"] for code in codes)
    assert not one.allclose(other)


def test_candidates_are_scored_with_the_weights_for_their_own_encoding(model):
    images = _images()
    for network, plan in zip(model.with_generated(model.codes), model.plans, strict=True):
        expected = model.generated(images, plan, context=TINY.banks.encode(plan))
        torch.testing.assert_close(network(images), expected)


@pytest.mark.parametrize(
    ("step", "task", "reads", "kernels"),
    [(0, 0, 0.5, 1), (25, 0, 0.75, 2), (50, 0, 1.0, 3), (99, 0, 1.0, 3), (100, 1, 0.5, 1), (150, 1, 1.0, 3)],
)
def test_reads_and_kernels_grow_in_the_first_half_of_each_stage(model, monkeypatch, step, task, reads, kernels):
    config = replace(
        TINY, banks=replace(TINY.banks, kernels=(1, 3, 5)), train=replace(TINY.train, iterations=100), curriculum=0.5
    )
    seen = {}
    monkeypatch.setattr(spaces.Banks, "draw", lambda self, generator, **limits: seen.update(limits) or ())
    smash.allowed_plan(_state(model, config, step=step, task=task))
    assert seen == {"reads": reads, "kernels": kernels}
    smash.allowed_plan(_state(model, replace(config, curriculum=0.0), step=step, task=task))
    assert seen == {"reads": 1.0, "kernels": 3}


def test_a_step_reaches_hypernet_and_kept_weights_alike(model):
    batch = smash.data(TINY).train.sample(16, generator=torch.Generator().manual_seed(0))
    smash.step(model, batch, _state(model))["loss"].backward()
    assert all(p.grad is not None and p.grad.any() for p in model.generated.hypernet.parameters())
    assert model.generated.target.module.stem.weight.grad.any()
    assert all(p.grad is None for part in (model.shared, model.candidates) for p in part.parameters())


def test_training_candidates_together_is_training_each_alone(model):
    task = smash.data(TINY)
    batches = [task.train.sample(16, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    alone = smash.build(TINY)
    alone.load_state_dict(model.state_dict())
    optimizer = TINY.candidate.make_optimizer(model.candidates.parameters())
    each = [TINY.candidate.make_optimizer(network.parameters()) for network in alone.candidates]
    for batch in batches:
        optimizer.zero_grad()
        smash.candidate_step(model, batch, _state(model))["loss"].backward()
        optimizer.step()
        for network, own in zip(alone.candidates, each, strict=True):
            own.zero_grad()
            F.cross_entropy(network(batch.inputs), batch.targets).backward()
            own.step()
    for found, expected in zip(model.candidates.parameters(), alone.candidates.parameters(), strict=True):
        torch.testing.assert_close(found, expected)


def test_all_predictors_rank_the_same_candidates_and_choose_by_their_own_scores(model):
    task = smash.data(TINY)
    with torch.no_grad():
        found = smash.evaluate(model.eval(), task)
    errors = [1 - smash.accuracy(network, task.test) for network in model.candidates]
    for prefix in ("", "shared_", "parameters_"):
        scores = found[f"{prefix}scores"]
        chosen = max(range(len(scores)), key=scores.__getitem__)
        assert found[f"{prefix}excess_error"] == pytest.approx(errors[chosen] - found["median_error"], abs=1e-6)
        assert f"{prefix}spearman_low" in found
    assert found["median_error"] == pytest.approx(sum(sorted(errors)[1:3]) / 2)
    assert found["parameters_scores"] == [sum(p.numel() for p in network.parameters()) for network in model.candidates]
    assert found["score"] == pytest.approx(sum(found["scores"]) / 4)
    assert found["random_error"] == pytest.approx(sum(errors) / 4)


def test_candidates_are_drawn_before_anything_is_known_and_by_the_seed_alone():
    one, again, other = (smash.build(replace(TINY, seed=seed)) for seed in (0, 0, 1))
    assert one.plans == again.plans
    assert one.plans != other.plans


def test_accuracy_counts_the_last_small_batch():
    images = torch.zeros(1003, 1, 2, 2)
    targets = torch.cat([torch.zeros(1000, dtype=torch.long), torch.ones(3, dtype=torch.long)])
    part = lab.data.Split(stored=images, targets=targets)
    assert smash.accuracy(lambda x: torch.tensor([[0.0, 1.0]]).expand(len(x), 2), part) == pytest.approx(3 / 1003)


def test_a_correlation_of_two_is_refused():
    with pytest.raises(ConfigError, match="candidates: expected 3 or more, got 2"):
        replace(TINY, candidates=2)


def test_the_published_setting_is_the_default():
    assert configuration("architecture/smash", "published") == smash.Config()
    assert (smash.Config().layers, smash.Config().growth, smash.Config().banks.size) == ((8, 10, 4), 10, 8)
