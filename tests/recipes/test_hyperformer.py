from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import lab
from hyperdnn.lab._discover import configuration

pytest.importorskip("tokenizers", reason="needs hyperdnn[peft]")

from hyperdnn.recipes.language import hyperformer as recipe

TASKS = torch.arange(3)


@pytest.fixture(scope="module")
def config():
    tiny = configuration("language/hyperformer", "tiny")
    return replace(tiny, base=replace(tiny.base, layers=2))


@pytest.fixture
def model(config):
    return recipe.build(config)


@pytest.fixture
def batch(config):
    return recipe.data(config).train.sample(4, generator=torch.Generator().manual_seed(0))


def test_an_adapter_normalises_what_it_adds():
    adapter = recipe.Adapter(6, 2).double()
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(3, 6, dtype=torch.double)
    change = F.gelu(x @ adapter.down.weight.T + adapter.down.bias, approximate="tanh")
    change = change @ adapter.up.weight.T + adapter.up.bias
    centred = change - change.mean(-1, keepdim=True)
    normalised = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(adapter(x), x + adapter.norm.weight * normalised + adapter.norm.bias)


def test_generated_gains_start_near_zero_and_the_base_is_what_it_was(config, batch):
    model = recipe.build(replace(config, std=1e-6)).eval()
    weights = model.reader.generate(TASKS)
    gains = [tensor for name, tensor in weights.items() if name.endswith("norm.weight")]
    assert len(gains) == 4
    assert max(gain.abs().max().item() for gain in gains) < 1e-4  # of a mean of zero, not of one
    _, plain = recipe.reading(config)
    expected = plain.eval()(batch.inputs)
    torch.testing.assert_close(model.reader(batch.inputs, context=batch.context), expected, atol=1e-2, rtol=0)


def test_adapters_stand_before_the_residual_sum(config, model, batch):
    model.eval()
    seen = {}

    def note(name):
        return lambda module, inputs, output: seen.update({name: (inputs, output)})

    layer = model.reader.target.module.base.encoder.layer[1]
    for name in ("output.dense", "output"):
        layer.get_submodule(name).register_forward_hook(note(name))
    with torch.no_grad():
        model.reader(batch.inputs, context=batch.context)
    (_, residual), summed = seen["output"]
    (inner,), adapted = seen["output.dense"]
    torch.testing.assert_close(summed, adapted + residual)
    plain = F.linear(inner, layer.output.dense.weight, layer.output.dense.bias)
    assert not torch.allclose(plain, adapted)


def test_weights_are_linear_in_one_row_for_each_task_layer_and_place(config, model):
    """Down, up and norm of one adapter are made of the same row, by generators that all adapters share."""
    net = model.reader.hypernet.double()
    (task_rows, layers, places) = (net.encoder.rows, net.slots.layers, net.slots.places)
    down, up, norm = net.head.linears
    weights = net(TASKS)
    for task in range(3):
        for layer in range(2):
            for place, name in enumerate(("attention.output.dense", "output.dense")):
                row = net.body(torch.cat([task_rows[task], layers[layer], places[place]]))
                torch.testing.assert_close(row.mean(), torch.zeros_like(row.mean()), atol=1e-6, rtol=0)  # normalised
                for linear, part in ((down, "down"), (up, "up"), (norm, "norm")):
                    path = f"base.encoder.layer.{layer}.{name}.adapter.{part}"
                    found = torch.cat([weights[f"{path}.{kind}"][task].flatten() for kind in ("weight", "bias")])
                    torch.testing.assert_close(found, linear.weight @ row + linear.bias)


def test_generators_start_as_published(config):
    net = recipe.build(replace(config, features=64, std=0.01)).reader.hypernet
    for linear in net.head.linears:
        assert not linear.bias.any()
        assert linear.weight.std().item() == pytest.approx(0.01, rel=0.2)
    assert set(net.head.affine.gain.tolist()) == {1.0}
    assert set(net.head.affine.offset.tolist()) == {0.0}


def test_the_number_of_generators_does_not_grow_with_layers(config):
    def trained(layers):
        deep = replace(config, base=replace(config.base, layers=layers))
        return sum(p.numel() for p in recipe.build(deep).reader.hypernet.parameters())

    per_layer = config.features + 2 * 6  # its embedding; a gain for each of its tensors
    assert trained(3) - trained(2) == per_layer


def test_of_the_base_only_the_norms_are_trained(config, model):
    kept = {name for name, p in model.reader.target.named_parameters() if p.requires_grad}
    assert kept
    assert all("LayerNorm" in name for name in kept)
    separate = recipe.build_separate(config).reader.networks[0]
    trained = {name for name, p in separate.named_parameters() if p.requires_grad}
    assert all("LayerNorm" in name or ".adapter." in name for name in trained)
    assert {name for name in trained if ".adapter." in name} == set(model.reader.target.layout.names)


def test_separate_adapters_of_other_tasks_stay(config, batch):
    model = recipe.build_separate(config)
    optimizer = config.train.make_optimizer(model.parameters())
    state = lab.train.State(model=model, config=config, generator=torch.Generator(), optimizer=optimizer)
    before = [{n: p.clone() for n, p in one.named_parameters()} for one in model.reader.networks]
    for _ in range(2):
        optimizer.zero_grad()
        recipe.step(model, batch, state)["loss"].backward()
        optimizer.step()
    for index, (one, old) in enumerate(zip(model.reader.networks, before, strict=True)):
        changed = any(not p.equal(old[n]) for n, p in one.named_parameters())
        assert changed == (index == int(batch.context))


def test_the_rate_rises_and_labels_are_smoothed(config, model, batch):
    optimizer = config.train.make_optimizer(model.parameters())
    state = lab.train.State(model=model, config=config, generator=torch.Generator(), optimizer=optimizer)
    rates = []
    for state.step in range(3):
        loss = recipe.step(model, batch, state)["loss"]
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.5 * config.train.lr, config.train.lr, config.train.lr])  # in two iterations
    torch.manual_seed(0)
    chances = model.eval()(batch.inputs, context=batch.context).log_softmax(-1)
    right = chances.gather(1, batch.targets[:, None]).mean()
    smoothing = config.smoothing
    expected = -(1 - smoothing) * right - smoothing * chances.mean()
    torch.testing.assert_close(recipe.step(model, batch, state)["loss"], expected)
    assert loss.isfinite()


def test_of_poor_tasks_few_texts_are_known_and_all_are_tested(config):
    one, other = recipe.data(config), recipe.data(replace(config, seed=1))
    assert [task.scarce for task in one.tasks] == [False, False, True]
    assert len(one.tasks[2].train) == config.shots
    assert not one.tasks[2].train.stored.equal(other.tasks[2].train.stored)
    assert one.tasks[2].test.stored.equal(other.tasks[2].test.stored)
    assert min(len(task.train) for task in one.tasks[:2]) > config.shots
    assert [task.train.context for task in one.tasks] == [0, 1, 2]
    hidden = lab.data.on_validation(one)
    assert hidden.tasks[0].test is one.tasks[0].validation


def test_evaluation_counts_right_answers(config):
    class Model(torch.nn.Module):
        def forward(self, tokens, *, context):
            return F.one_hot(torch.full((len(tokens),), int(context) % 2), 2).float()

    tasks = recipe.data(config)
    found = recipe.evaluate(Model(), tasks)
    shares = [(task.test.targets == i % 2).float().mean().item() for i, task in enumerate(tasks.tasks)]
    assert found["accuracy_by_task"] == pytest.approx(shares)
    assert found["score"] == pytest.approx(sum(shares[:2]) / 2)
    assert found["low_resource"] == pytest.approx(shares[2])


def test_a_task_is_baked_into_a_plain_network(config, model, batch):
    plain = model.eval().reader.bake(batch.context)
    expected = model.reader(batch.inputs, context=batch.context)
    torch.testing.assert_close(plain(batch.inputs), expected)
    assert not any(isinstance(module, hd.Target) for module in plain.modules())
