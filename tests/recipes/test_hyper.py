"""What a naive reading of HypER gets wrong."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab._discover import configuration, load
from hyperdnn.recipes.knowledge import hyper

TINY = configuration("knowledge/hyper", "tiny")


@pytest.fixture
def graph():
    return hyper.data(TINY)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return hyper.build(TINY)


def _batch(graph, size=6):
    return graph.train.sample(size, generator=torch.Generator().manual_seed(0))


def _state(model, config=TINY):
    optimizer = config.train.make_optimizer(model.parameters())
    return lab.train.State(model=model, config=config, generator=torch.Generator(), optimizer=optimizer)


def test_each_query_has_the_filters_of_its_relation(model):
    hypernet = model.convolution.convolution.hypernet
    rows, relations = torch.randn(5, 1, 8), torch.tensor([3, 0, 3, 5, 1])
    maps = model.convolution(rows, relations)
    assert maps.shape == (5, 4, 6)
    for i, relation in enumerate(relations.tolist()):
        linear = hypernet.head.linear
        filters = (linear.weight @ hypernet.encoder.rows[relation] + linear.bias).reshape(4, 3)
        for f in range(4):
            for j in range(6):
                expected = sum(filters[f, k] * rows[i, 0, j + k] for k in range(3))
                torch.testing.assert_close(maps[i, f, j], expected)


def test_the_generated_convolution_is_a_grouped_one_in_value_and_gradient(model):
    rows, relations = torch.randn(7, 1, 8, requires_grad=True), torch.randint(6, (7,))
    filters = model.convolution.convolution.generate(relations)["weight"]
    grouped = F.conv1d(rows.transpose(0, 1), filters.flatten(0, 1), groups=7).view(7, 4, 6)
    maps = model.convolution(rows, relations)
    torch.testing.assert_close(maps, grouped)
    parameters = [rows, *model.convolution.convolution.hypernet.head.parameters()]
    found, expected = (torch.autograd.grad(y.square().sum(), parameters) for y in (maps, grouped))
    torch.testing.assert_close(found, expected)


def test_the_filters_are_all_that_is_generated(model):
    assert model.convolution.convolution.target.layout.names == ("weight",)
    assert model.convolution.convolution.target.layout.numel == TINY.filters * TINY.width


def test_the_first_entity_and_the_first_relation_are_trained_by_being_looked_up(model, graph):
    entities, relations = torch.tensor([0, 0, 1]), torch.tensor([0, 0, 1])
    features = model.inputs[1](model.entities(entities))
    (gradient,) = torch.autograd.grad(features.square().sum(), model.entities.weight)
    assert gradient[0].any()
    model(entities, context=relations).square().sum().backward()
    assert model.convolution.convolution.hypernet.encoder.rows[0].grad.any()


def test_smoothed_labels_keep_their_share():
    targets = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(hyper.smoothed(targets, 0.1), torch.tensor([[0.925, 0.025, 0.025, 0.025]]))
    assert hyper.smoothed(targets, 0.1).sum() == pytest.approx(1.0)  # with 1 / N instead of eps / N it would be 1.9
    assert hyper.smoothed(targets, 0.0).equal(targets)


def test_the_loss_is_the_cross_entropy_of_logits(model, graph):
    model.eval()
    batch = _batch(graph)
    logits = model(batch.inputs, context=batch.context).double()
    chance, labels = logits.sigmoid(), 0.9 * batch.targets.double() + 0.1 / 12
    expected = -(labels * chance.log() + (1 - labels) * (1 - chance).log()).mean()
    assert hyper.step(model, batch, _state(model))["loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    with torch.no_grad():
        model.bias.fill_(200.0)  # where a sigmoid in float32 is one, and the logarithm of its complement infinite
    found = hyper.step(model, batch, _state(model))["loss"].item()
    assert math.isfinite(found)
    assert found > 100


@pytest.mark.parametrize("build", [hyper.build, hyper.build_product, hyper.build_distmult, hyper.build_cp])
def test_one_query_alone_has_the_scores_it_has_among_others(build, graph):
    model = build(TINY).eval()
    batch = _batch(graph)
    together = model(batch.inputs, context=batch.context)
    assert together.shape == (6, graph.entities)
    alone = [model(e[None], context=r[None]) for e, r in zip(batch.inputs, batch.context, strict=True)]
    torch.testing.assert_close(torch.cat(alone), together)


def test_a_batch_of_one_query_is_refused_before_training():
    with pytest.raises(ConfigError, match=r"train\.batch_size: expected 2 or more, since batch norm"):
        replace(TINY, train=replace(TINY.train, batch_size=1))


def test_filters_wider_than_embeddings_are_refused():
    with pytest.raises(ConfigError, match="features: expected 3 or more, got 2"):
        replace(TINY, features=2)


def test_the_learning_rate_falls_after_each_pass(model, graph):
    config = replace(TINY, decay=0.5)
    state, batch = _state(model, config), _batch(graph, TINY.train.batch_size)
    passes = batch.total / TINY.train.batch_size
    for done, expected in ((0, 1.0), (math.ceil(passes), 0.5), (math.ceil(3 * passes), 0.125)):
        state.step = done
        hyper.step(model, batch, state)
        assert state.optimizer.param_groups[0]["lr"] == pytest.approx(TINY.train.lr * expected)


def test_ranks_are_filtered_and_of_both_directions(model, graph):
    model.eval()
    found = hyper.evaluate(model, graph)
    parts = (graph.test.triples, graph.validation.triples)
    pairs = graph.train.pairs.repeat_interleave(graph.train.starts.diff(), 0)
    known = {tuple(t) for part in parts for t in part.tolist()}
    known |= {(*pair, answer) for pair, answer in zip(pairs.tolist(), graph.train.answers.tolist(), strict=True)}
    reciprocal = []
    for e, r, answer in graph.test.triples.tolist():
        scores = model(torch.tensor([e]), context=torch.tensor([r]))[0]
        rivals = [o for o in range(graph.entities) if o != answer and (e, r, o) not in known]
        higher = sum(bool(scores[o] > scores[answer]) for o in rivals)
        reciprocal.append(1 / (1 + higher))
    assert found["mrr"] == pytest.approx(sum(reciprocal) / len(reciprocal), abs=0.02)  # nearly equal scores may swap
    kinds = {r % 3 for r in graph.test.triples[:, 1].tolist()}
    assert [math.isfinite(value) for value in found["mrr_by_relation"]] == [kind in kinds for kind in range(3)]
    assert found["hits_by_level"] == sorted(found["hits_by_level"])


def test_a_model_that_says_the_same_of_all_is_not_favoured(model, graph):
    with torch.no_grad():
        model.entities.weight.zero_()
    assert hyper.evaluate(model.eval(), graph)["hits_1"] < 0.2


def test_variants_differ_by_the_convolution_alone(model):
    product = hyper.build_product(TINY)
    mine, other = ({n: p.shape for n, p in m.named_parameters() if "convolution" not in n} for m in (model, product))
    assert mine == other
    rows, relations = torch.randn(3, 1, 8), torch.tensor([0, 1, 2])
    entered = rows * product.convolution.relations.weight[relations].unsqueeze(1)
    torch.testing.assert_close(product.convolution(rows, relations), product.convolution.convolution(entered))


def test_settings_differ_where_the_publication_says_so():
    published = configuration("knowledge/hyper", "published")
    freebase = configuration("knowledge/hyper", "published_fb15k_237")
    assert published == hyper.Config(source="wn18rr")
    assert (published.input_dropout, published.decay, published.train.lr) == (0.2, 1.0, 5e-3)
    assert (freebase.input_dropout, freebase.decay, freebase.train.lr) == (0.3, 0.995, 1e-4)
    assert list(load("knowledge/hyper").variants) == ["hypernet", "product", "DistMult", "CP"]
