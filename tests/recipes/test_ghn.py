"""What a naive reading of graph hypernets gets wrong."""

import copy
from dataclasses import replace

import pytest
import torch

from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab import spaces
from hyperdnn.lab._discover import configuration
from hyperdnn.lab.config import override
from hyperdnn.recipes.architecture import ghn

TINY = configuration("architecture/ghn", "tiny")


def _network(cell: spaces.Cell) -> spaces.CellNetwork:
    torch.manual_seed(0)
    return spaces.CellNetwork(cell, inputs=1, channels=(4, 6), classes=10)


def _state(model: ghn.Search) -> lab.train.State:
    return lab.train.State(model=model, config=TINY, generator=torch.Generator().manual_seed(0))


def _batch() -> lab.data.Batch:
    return ghn.data(TINY).train.sample(16, generator=torch.Generator().manual_seed(0))


def test_a_word_for_each_operation_and_each_size() -> None:
    cell: spaces.Cell = tuple((name, (0,)) for name in spaces.OPERATIONS)
    found = ghn.words(ghn.Generated(_network(cell)).architecture)
    convolutions = ["Convolution x 1 x 1", "Convolution x 3 x 3", "Separable x 3 x 3"]
    assert found[:6] == ["input", "Convolution x 3 x 3", "max_pool2d", *convolutions]


def test_nothing_that_is_scored_was_trained_on() -> None:
    model, other = ghn.build(TINY), ghn.build(override(TINY, {"seed": 1}))
    pool, candidates = ([one.architecture.module.cell for one in part] for part in (model.pool, model.candidates))
    assert len({*pool, *candidates}) == TINY.candidates + TINY.pool
    assert candidates != [one.architecture.module.cell for one in other.candidates]
    reached: list[int] = []
    model.generate = lambda chosen, real=model.generate: reached.extend(map(model.pool.index, chosen)) or real(chosen)
    batch = _batch()
    ghn.step(model, batch, _state(model))
    assert reached == batch.context.tolist()


def test_all_weights_of_a_network_are_generated() -> None:
    model, x = ghn.build(TINY), torch.rand(5, 1, 8, 8)
    one = model.candidates[0]
    assert not list(one.run.parameters())
    weights = model.hypernet(one.architecture)
    (network,) = model.generate([one])
    torch.testing.assert_close(network(x), torch.func.functional_call(model.networks[0], weights, (x,)))
    ghn.step(model, replace(_batch(), context=torch.arange(TINY.pool)), _state(model))["loss"].backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert {name.partition(".")[0] for name in silent} == {"networks"}


@pytest.mark.parametrize(("body", "hears"), [(ghn.messages, True), (ghn.alone, False)])
def test_a_node_hears_what_is_computed_after_it(body, hears) -> None:
    first = []
    for last in ("conv1", "pool"):
        torch.manual_seed(0)
        hypernet = ghn.build(TINY, body=body).hypernet
        found = ghn.Generated(_network((("conv3", (0,)), (last, (1,))))).architecture
        first.append(hypernet(found)["layers.2.nodes.0.weigh.weight"])
    assert first[0].allclose(first[1]) != hears


def test_both_bodies_have_as_many_parameters() -> None:
    config = ghn.Config()
    counts = [sum(p.numel() for p in body(config).parameters()) for body in (ghn.messages, ghn.alone)]
    assert counts[0] == pytest.approx(counts[1], rel=0.15)


def test_networks_learn_together_as_they_would_alone() -> None:
    model = ghn.build(TINY)
    before, batches = copy.deepcopy(model.networks[1]), [_batch() for _ in range(3)]
    optimizer = TINY.networks.make_optimizer(model.networks.parameters())
    alone = TINY.networks.make_optimizer(before.parameters())
    for batch in batches:
        optimizer.zero_grad()
        ghn.train_networks(model, batch, _state(model))["loss"].backward()
        optimizer.step()
        alone.zero_grad()
        torch.nn.functional.cross_entropy(before(batch.inputs), batch.targets.long()).backward()
        alone.step()
    for mine, own in zip(model.networks[1].parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(mine, own)


def test_scores_are_of_validation_images_and_outcomes_of_test_images() -> None:
    model, data = ghn.build(TINY), ghn.data(TINY)
    found = ghn.evaluate(model, data)
    wrong = replace(data.task.test, targets=(data.task.test.targets + 1) % 10)
    other = ghn.evaluate(model, replace(data, task=replace(data.task, test=wrong)))
    assert found["scores"] == other["scores"]
    assert found["trained"] != other["trained"]
    assert found["scores"] == ghn.accuracies(model.generate(model.candidates), data.validation).tolist()


def test_accuracies_by_hand() -> None:
    data = ghn.data(TINY).test
    known = {image.inputs.numpy().tobytes(): image.targets.item() for image in (data[i : i + 1] for i in range(100))}

    def network(images: torch.Tensor) -> torch.Tensor:
        return torch.eye(10)[[known[image.numpy().tobytes()] for image in images]]

    found = ghn.accuracies([network, lambda images: torch.zeros(len(images), 10)], data)
    assert found[0] == 1
    assert found[1] == (data.targets == 0).double().mean()


def test_all_variants_are_judged_by_the_same_networks(tmp_path) -> None:
    arrays = lab.run("architecture/ghn", TINY, folder=tmp_path, seeds=[0])["arrays"]
    assert arrays["hypernet"]["trained"] == arrays["no messages"]["trained"] == arrays["untrained"]["trained"]
    assert arrays["hypernet"]["scores"] != arrays["untrained"]["scores"]


def test_too_few_candidates_have_no_rank() -> None:
    with pytest.raises(ConfigError, match="candidates: expected 3 or more, got 2"):
        ghn.Config(candidates=2)
