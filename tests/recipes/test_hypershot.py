from dataclasses import replace

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional as F

from hyperdnn import inspect, lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab import baselines
from hyperdnn.lab._discover import configuration
from hyperdnn.lab.data import Episode
from hyperdnn.recipes.fewshot import hypershot as recipe

CONFIG = replace(configuration("fewshot/hypershot", "tiny"), ways=3, shots=2, train=lab.train.Settings(iterations=10))


def problems(others=2):
    return Episode(
        support=torch.rand(4, 3, 2, 1, 8, 8),
        query=torch.rand(4, 3, 5, 1, 8, 8),
        others=torch.rand(4, others, 5, 1, 8, 8),
    )


def state(model, config):
    return lab.train.State(model=model, config=config, generator=torch.Generator())


def test_the_hypernet_sees_nothing_but_the_angles_between_class_means():
    model, episode = recipe.build(CONFIG).eval(), problems()
    features = model.backbone(episode.support.flatten(0, 2)).unflatten(0, (4, 3, 2))
    seen = []
    model.learner.model.hypernet.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model(episode)
    means = features.mean(2)  # shots are averaged before the kernel, not after
    expected = 1 - F.cosine_similarity(means[:, :, None], means[:, None], dim=-1).flatten(1)
    torch.testing.assert_close(seen[0], expected)


def test_queries_meet_the_network_of_their_own_problem():
    model, episode = recipe.build(CONFIG).eval(), problems()
    together = model(episode)
    for i in range(4):
        support = model.backbone(episode.support[i].flatten(0, 1)).unflatten(0, (3, 2)).mean(1)
        query = model.backbone(episode.query[i].flatten(0, 1))
        kernel = F.cosine_similarity(support[:, None], support[None], dim=-1).flatten()
        rows = F.cosine_similarity(query[:, None], support[None], dim=-1)
        logits = model.learner.model(1 - rows, context=1 - kernel)
        torch.testing.assert_close(together[i].flatten(0, 1), logits.log_softmax(-1), rtol=1e-4, atol=1e-5)


def test_the_loss_is_over_the_classes_own_rows_and_the_queries():
    config = CONFIG
    model, episode = recipe.build(config).eval(), problems(others=0)
    loss = recipe.step(model, episode, state(model, config))["loss"]
    seen = episode.through(model.backbone)
    means = seen.support.mean(2)
    own = model.learner(replace(seen, query=means.unsqueeze(2)))
    logits = torch.cat([own, model.learner(seen)], dim=2)
    labels = torch.arange(3)[:, None].expand(4, 3, 6)
    torch.testing.assert_close(loss, F.nll_loss(logits.flatten(0, 2), labels.flatten()))


def test_the_divergence_is_summed_over_the_weights_of_a_network():
    config = replace(CONFIG, samples=3, kl=0.5)
    model, episode = recipe.build(config), problems(others=0)
    found = recipe.step(model, episode, state(model, config))
    weights = model.learner.generate(episode.through(model.backbone).support.mean(2))
    expected = 0.0
    for name in ("0.weight", "0.bias", "2.weight", "2.bias"):
        normal = torch.distributions.Normal(weights[f"{name}.mean"], weights[f"{name}.log_scale"].exp())
        expected += torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum()
    torch.testing.assert_close(found["divergence"], expected / 4, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found["loss"], found["task"] + 0.5 * found["divergence"])


def test_the_loss_does_not_grow_with_the_number_of_samples():
    losses = []
    for samples in (1, 8):
        torch.manual_seed(0)
        config = replace(CONFIG, samples=samples, spread=1e-6)
        model = recipe.build(config)
        torch.manual_seed(1)
        losses.append(recipe.step(model, problems(others=0), state(model, config))["task"])
    torch.testing.assert_close(*losses, rtol=1e-3, atol=1e-3)


def test_answers_are_the_mean_of_the_samples_probabilities():
    config = replace(CONFIG, samples=2, test_samples=4, spread=2.0)
    learner, means, query = recipe.build(config).learner, torch.randn(2, 3, 6), torch.randn(2, 3, 5, 6)
    assert len(learner.classify(learner.generate(means), query.flatten(1, 2), means)) == 2  # in training
    learner.eval()
    episode = Episode(support=means.unsqueeze(2), query=query, others=torch.zeros(2, 0, 5, 6))
    torch.manual_seed(0)
    answers = learner(episode)
    torch.manual_seed(0)
    each = learner.classify(learner.generate(means), query.flatten(1, 2), means)
    assert each.shape == (4, 2, 15, 3)
    assert not each[0].allclose(each[1])
    torch.testing.assert_close(answers.exp().flatten(1, 2), each.exp().mean(0))


def test_a_distribution_is_measured_by_at_least_one_sample():
    with pytest.raises(ConfigError, match="test_samples: expected 1 or more"):
        replace(CONFIG, samples=3, test_samples=0)


def test_the_order_of_classes_matters_to_the_hypernet_and_not_to_nearest_means():
    episode = problems()
    found = recipe.evaluate(recipe.build(CONFIG).eval(), episode)
    plain = recipe.evaluate(baselines.OnFeatures(nn.Flatten(), baselines.ProtoNet()), episode)
    assert found["order_changes"].max() > 0
    assert plain["order_changes"].tolist() == plain["order_effect"].tolist() == [0.0] * 4


def test_unknown_classes_are_told_by_entropy():
    model, episode = recipe.build(CONFIG).eval().double(), problems().through(torch.Tensor.double)
    found = recipe.evaluate(model, episode)
    seen = episode.through(model.backbone)
    for i in range(4):
        logits = [model.learner(seen)[i], model.learner(replace(seen, query=seen.others))[i]]
        entropies = [-(one.exp() * one).sum(-1).flatten() for one in logits]
        labels = torch.cat([torch.zeros(len(entropies[0])), torch.ones(len(entropies[1]))])
        expected = roc_auc_score(labels, torch.cat(entropies).detach())
        assert found["unknown_auroc"][i].item() == pytest.approx(expected, abs=1e-6)


def test_without_unknown_classes_nothing_is_said_of_them():
    known, both = problems(others=0), problems()
    model = recipe.build(CONFIG).eval()
    assert recipe.evaluate(model, both).keys() - recipe.evaluate(model, known).keys() == {"unknown_auroc"}


def test_it_is_what_the_review_calls_it():
    found = inspect.classify(recipe.build(CONFIG).learner.model, conditioned_on="data")
    assert (found.input.values, found.output.values) == (("data-conditioned",), ("generate multiple",))
    assert found.input_variability.values == ("dynamic",)
