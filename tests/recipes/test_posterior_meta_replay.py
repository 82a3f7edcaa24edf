from dataclasses import replace

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab import losses
from hyperdnn.recipes.continual import posterior_meta_replay as recipe

SMALL = recipe.Config(
    source="digits",
    num_tasks=3,
    tested=50,
    target=(5,),
    hypernet=(6,),
    task_features=3,
    chunk_features=3,
    chunk=100,
    temperature=0.5,
    beta=0.2,
    samples=2,
    train=lab.train.Settings(batch_size=8),
)


def _state(model, config=SMALL, task=1):
    generator = torch.Generator().manual_seed(0)
    return lab.train.State(model=model, config=config, generator=generator, task=task)


def _moments(weights):
    names = [name.removesuffix(".mean") for name in weights if name.endswith(".mean")]
    return [(weights[f"{n}.mean"], weights[f"{n}.log_scale"].exp()) for n in names]


def _shift(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


def test_first_log_scales_start_at_their_start_and_are_free_to_leave_it_at_once():
    model = recipe.build(SMALL)
    spec = model.target.layout[recipe.FIRST_SCALES]
    weights = model.generate(torch.arange(3))
    torch.testing.assert_close(weights[spec.name], torch.full_like(weights[spec.name], spec.init_mean))
    weights[spec.name].square().sum().backward()
    _, scales = model.hypernet.head.heads
    assert scales.layout.names == (spec.name,)
    assert scales.linear.weight.grad.abs().amin(1).all()  # of every number of a chunk


def test_what_is_kept_of_earlier_tasks_are_distributions_in_closed_form():
    model = recipe.build(SMALL)
    state = _state(model, task=2)
    lab.train.keep_earlier_tasks(model, state, measure=losses.gaussian_moments)
    before = model.generate(torch.arange(2))
    _shift(model.hypernet.head)
    after = model.generate(torch.arange(2))
    batch = recipe.data(SMALL)[2].train[:8]
    found = [recipe.step(model, batch, state)["keep"] for _ in range(2)]  # with other samples of the weights
    expected = 0.0
    for (mean, std), (old_mean, old_std) in zip(_moments(after), _moments(before), strict=True):
        expected += ((mean - old_mean).square() + (std - old_std).square()).sum() / 2
    torch.testing.assert_close(found[0], expected)
    assert found[0].equal(found[1])


def test_the_loss_is_that_of_the_parts():
    model = recipe.build(SMALL)
    state = _state(model)
    lab.train.keep_earlier_tasks(model, state, measure=losses.gaussian_moments)
    _shift(model.hypernet.head)
    batch = recipe.data(SMALL)[1].train[:8]
    parts = recipe.step(model, batch, state)
    divergence = sum(
        kl_divergence(Normal(mean, std), Normal(0.0, 1.0)).sum()
        for mean, std in _moments(model.generate(torch.tensor(1)))
    )
    torch.testing.assert_close(parts["divergence"], divergence / 1257)
    torch.testing.assert_close(parts["loss"], parts["task"] + 0.5 * parts["divergence"] + 0.2 * parts["keep"])
    assert parts["keep"] > 0


def test_each_network_sees_its_own_part_of_the_batch():
    model = recipe.build(SMALL)
    batch = recipe.data(SMALL)[0].train[:8]
    weights = model.target.combine.at_mean(model.generate(batch.context))
    expected = F.cross_entropy(model.call(weights, batch.inputs), batch.targets)
    torch.testing.assert_close(recipe.task_loss(model, weights, batch, 4), expected)
    seen = []
    model.call = lambda drawn, inputs: seen.append((drawn, inputs)) or torch.zeros(4, 2, 10)
    recipe.task_loss(model, weights, batch, 4)
    (drawn, inputs), *_ = seen
    assert {tensor.shape[0] for tensor in drawn.values()} == {4}
    assert inputs.flatten(0, 1).equal(batch.inputs)


@pytest.mark.parametrize("build", [recipe.build, recipe.build_separate, recipe.build_shared])
def test_deviations_start_at_their_share_of_the_weights_own_size(build):
    config = replace(SMALL, scale=0.25)
    weights = build(config).generate(torch.arange(3))
    layer = torch.nn.Linear(64, 5)
    size = (layer.in_features**-0.5) / 3**0.5  # of torch's uniform start
    expected = torch.full((3, 5, 64), 0.25 * size)
    torch.testing.assert_close(weights["1.weight.log_scale"].exp(), expected, rtol=0.1, atol=0)


def test_a_single_network_has_no_divergence_and_no_samples():
    config = replace(SMALL, temperature=0.0, samples=1)
    model = recipe.build(config, posterior=False)
    batch = recipe.data(config)[1].train[:8]
    parts = recipe.step(model, batch, _state(model, config))
    torch.testing.assert_close(
        parts["loss"], F.cross_entropy(model(batch.inputs, context=batch.context), batch.targets)
    )
    assert recipe.predict(model, torch.arange(3), batch.inputs).shape == (1, 3, 8, 10)


def test_the_shared_posterior_becomes_the_prior_of_the_next_task():
    model = recipe.build_shared(SMALL)
    batch = recipe.data(SMALL)[1].train[:8]
    state = _state(model, task=0)
    recipe.remember_posterior(model, state)
    weights = model.generate(torch.tensor(1))
    torch.testing.assert_close(
        recipe.shared_step(model, batch, state)["divergence"], losses.gaussian_kl(weights, model.target.layout) / 1257
    )
    state.task = 1
    recipe.remember_posterior(model, state)
    own = model.target.layout.select("3.*")  # the output layer, of which nothing is known yet
    expected = losses.gaussian_kl(weights, own) / 1257
    torch.testing.assert_close(recipe.shared_step(model, batch, state)["divergence"], expected)
    prior = {name: tensor.clone() for name, tensor in state.memory.items()}
    _shift(model.hypernet)
    assert all(tensor.equal(prior[name]) for name, tensor in state.memory.items())
    assert recipe.shared_step(model, batch, state)["divergence"] > 0


def test_the_task_is_the_one_whose_networks_are_surest_together(monkeypatch):
    sure, other, unsure = [9.0, 0.0], [0.0, 9.0], [1.0, 0.0]
    logits = torch.tensor(
        [
            # of two networks: what they say as those of task 0, and as those of task 1
            [[sure, unsure], [sure, unsure]],  # task 0, sure and of one mind: class 0
            [[sure, unsure], [other, unsure]],  # each is sure, but not of one mind: task 1 is surer, 0 disagrees
            [[unsure, other], [unsure, other]],  # task 1, class 1
            [[other, unsure], [other, unsure]],  # task 0, class 1
        ]
    )
    part = lab.data.Split(stored=torch.arange(4.0).reshape(4, 1, 1, 1), targets=torch.tensor([0, 0, 1, 0]))
    tasks = [
        lab.data.Task(name=str(t), train=part, validation=part, test=replace(part, context=t), classes=2)
        for t in range(2)
    ]
    monkeypatch.setattr(recipe, "predict", lambda model, contexts, x: logits[x.flatten().long()].permute(1, 2, 0, 3))
    found = recipe.infer(recipe.build(SMALL), tasks)
    # As images of task 0: rows 0 and 3 are found, and row 0 is classified correctly. As images of task 1: rows 1
    # (class 0) and 2 (class 1) are found, both correct.
    assert found["inferred_by_task"] == [0.25, 0.5]
    assert found["inferred_accuracy"] == pytest.approx(0.375)
    assert found["task_accuracy"] == pytest.approx(0.5)
    assert found["agreed_accuracy"] == pytest.approx(0.25)  # row 2 has no disagreement, and goes to task 0


def test_a_known_task_is_judged_by_its_own_networks():
    model = recipe.build(SMALL).eval()
    task = recipe.data(SMALL)[2]
    torch.manual_seed(0)
    found = recipe.evaluate(model, task)["accuracy"]
    torch.manual_seed(0)
    batch = task.test[:]
    logits = recipe.predict(model, torch.tensor([2]), batch.inputs)
    assert logits.shape == (recipe.NETWORKS, 1, 50, 10)
    assert not logits[0].equal(logits[1])
    right = logits[:, 0].softmax(-1).mean(0).argmax(-1) == batch.targets
    assert found == pytest.approx(right.float().mean().item())


def test_images_are_scaled_and_few_are_tested():
    tasks = recipe.data(replace(SMALL, side=4))
    assert [task.shape for task in tasks] == [(1, 4, 4)] * 3
    assert [len(part) for part in (tasks[0].train, tasks[0].test)] == [1257, 50]
    assert len(recipe.data(replace(SMALL, tasks="split"))) == 5


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(ConfigError, match=r"samples: expected a divisor of train\.batch_size \(8\), got 3"):
        replace(SMALL, samples=3)
    with pytest.raises(ConfigError, match="chunk: expected 1 or more, got 0"):
        replace(SMALL, chunk=0)
