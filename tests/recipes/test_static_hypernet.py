from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab._discover import configuration
from hyperdnn.recipes.vision import static_hypernet as recipe

CONFIG = configuration("vision/static_hypernet", "tiny")
PUBLISHED = recipe.Config()


@pytest.fixture
def images(monkeypatch):
    """Images of the published sizes, none of which is real."""

    def load(name, *, normalise):
        shape = (3, 32, 32) if name == "cifar10" else (1, 28, 28)
        part = lab.data.Split(stored=torch.rand(4, *shape), targets=torch.arange(4))
        return lab.data.Task(name=name, train=part, validation=part, test=part, classes=10)

    monkeypatch.setattr(lab.data, "load", load)


def generator(*shapes, tile=2, features=3, hidden=5):
    convolutions = (nn.Conv2d(inputs, outputs, side, bias=False) for outputs, inputs, side in shapes)
    layout = hd.ParamLayout.of(nn.Sequential(*convolutions))
    return recipe.KernelGenerator(layout, tile=tile, features=features, hidden=hidden, spread=0.5)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_generator_by_hand():
    made = generator((2, 2, 3)).double()
    kernel = made(torch.tensor(0))["0.weight"]
    z = made.embeddings[0]
    w, b = made.inward.weight.view(2, 5, 3), made.inward.bias.view(2, 5)
    for i in range(2):  # each input channel has a matrix of its own, all have the same output map
        a = w[i] @ z + b[i]
        expected = (made.outward.weight @ a + made.outward.bias).view(2, 3, 3)
        torch.testing.assert_close(kernel[:, i], expected)


def test_it_is_linear_in_the_embedding():
    made = generator((2, 2, 3))
    made.outward.bias.data.normal_()
    start = made(torch.tensor(0))["0.weight"]
    with torch.no_grad():
        made.embeddings.mul_(-2)
        moved = made(torch.tensor(0))["0.weight"]
        made.embeddings.zero_()
        origin = made(torch.tensor(0))["0.weight"]
    torch.testing.assert_close(moved - origin, -2 * (start - origin))


def test_wider_layers_are_laid_out_with_tiles_of_their_own_embeddings():
    made = generator((4, 2, 3), (4, 6, 3))
    assert made.embeddings.shape == (2 + 6, 3)
    weights = made(torch.tensor(0))
    for name, place, tile in (("0.weight", (1, 0), 1), ("1.weight", (0, 2), 2 + 2), ("1.weight", (1, 0), 2 + 3)):
        alone = generator((2, 2, 3))
        alone.load_state_dict({**made.state_dict(), "embeddings": made.embeddings[tile : tile + 1]})
        down, across = 2 * place[0], 2 * place[1]
        torch.testing.assert_close(
            weights[name][down : down + 2, across : across + 2], alone(torch.tensor(0))["0.weight"]
        )


def test_channels_that_do_not_divide_are_refused():
    with pytest.raises(ConfigError, match=r"'0.weight' has 4 output and 3 input channels.*2 x 2 do not fill"):
        generator((4, 3, 3))


def test_kernels_of_several_sizes_are_refused():
    with pytest.raises(ConfigError, match=r"'1.weight' has a kernel of \(5, 5\)"):
        generator((2, 2, 3), (2, 2, 5))


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 3)])
def test_context_dimensions_are_kept(shape):
    weights = generator((4, 2, 3))(torch.zeros(shape, dtype=torch.long))
    assert weights["0.weight"].shape == (*shape, 4, 2, 3, 3)


def test_it_starts_with_truncated_normal_weights():
    made = generator((8, 8, 3), tile=8, features=64, hidden=64)
    for linear in (made.inward, made.outward):
        assert linear.weight.abs().max() <= 1.0
        assert linear.weight.std().item() == pytest.approx(0.88 * 0.5, rel=0.05)  # cut at two deviations
        assert linear.bias.eq(0).all()
    assert made.embeddings.std().item() == pytest.approx(1, rel=0.3)


def test_the_published_numbers_of_mnist(images):
    model, plain = recipe.build(PUBLISHED), recipe.build_plain(PUBLISHED)
    assert [spec.shape for spec in model.target.layout] == [(16, 16, 7, 7)]
    assert (count(model.hypernet), count(plain.hypernet)) == (4244, 12544)
    assert count(model) - count(model.hypernet) == count(plain) - count(plain.hypernet)
    assert count(recipe.build_plain(replace(PUBLISHED, kernel=4)).hypernet) <= 4244
    fixed = recipe.evaluate(recipe.build_fixed(PUBLISHED), recipe.data(PUBLISHED))
    assert fixed["kernel_parameters"] == 4240
    assert fixed["error"] in {0, 0.25, 0.5, 0.75, 1}


@pytest.mark.parametrize("kernel", [7, 4])
def test_smaller_filters_leave_the_network_as_it_is(images, kernel):
    model = recipe.build_plain(replace(PUBLISHED, kernel=kernel))
    assert model.target.module.out.in_features == 16 * 7 * 7
    assert model(torch.rand(2, 1, 28, 28), context=torch.tensor(0)).shape == (2, 10)


def test_the_published_numbers_of_cifar(images):
    """Truncated, as they are published: all numbers of width 1, those of the inner convolutions of width 2."""
    config = replace(configuration("vision/static_hypernet", "wide_resnet"), widen=1)
    assert count(recipe.build_target(config)) // 1000 == 563
    assert count(recipe.build(config)) // 1000 == 97
    wide = recipe.build_target(replace(config, widen=2))
    inner = sum(count(m) for m in wide.blocks.modules() if isinstance(m, nn.Conv2d))
    assert inner // 1000 == 2236
    model = recipe.build(replace(config, widen=2))
    shortcuts = sum(count(m) for m in model.target.module.blocks.modules() if isinstance(m, nn.Conv2d))
    assert (count(model.hypernet) + shortcuts) // 1000 == 148
    assert len(model.target.layout) == 36


def test_a_wide_residual_network_trains_with_generated_kernels(images):
    config = replace(configuration("vision/static_hypernet", "wide_resnet"), depth=10, widen=1, features=4, hidden=4)
    model, batch = recipe.build(config), recipe.data(config).train[:]
    assert model(batch.inputs, context=batch.context).shape == (4, 10)
    state = lab.train.State(
        model=model,
        config=config,
        optimizer=config.train.make_optimizer(model.parameters()),
        generator=torch.Generator(),
    )
    losses = recipe.step(model, batch, state)
    losses["loss"].backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.hypernet.parameters())
    size = sum(weight.square().sum() for weight in model.generate(batch.context).values())
    torch.testing.assert_close(losses["loss"], losses["task"] + 5e-4 / 2 * size)


def test_halving_blocks_see_half_the_resolution():
    net = recipe.WideResNet(3, 10, depth=10, widen=1)
    sizes = []
    for block in net.blocks:
        block.register_forward_hook(lambda module, args, out: sizes.append(tuple(out.shape[1:])))
    net(torch.rand(2, 3, 32, 32))
    assert sizes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_the_shortcut_branches_off_behind_the_first_norm():
    block = recipe.Residual(2, 4, 2).eval()
    x = torch.randn(3, 2, 6, 6)
    active = F.relu(block.norm1(x))
    change = block.conv2(F.relu(block.norm2(block.conv1(active))))
    torch.testing.assert_close(block(x), change + block.shortcut(active))


@pytest.mark.parametrize("depth", [4, 9, 12])
def test_depths_that_make_no_blocks_are_refused(depth):
    with pytest.raises(ConfigError, match=f"4 more than a multiple of 6.*got {depth}"):
        replace(PUBLISHED, depth=depth)


def test_the_rate_falls_at_each_step_and_ends():
    model = recipe.build(CONFIG)
    batch = recipe.data(CONFIG).train.sample(2, generator=torch.Generator())
    for step, rate in ((0, 5e-3), (100, 5e-3 * 0.999**100), (10_000, 1e-4)):
        optimizer = CONFIG.train.make_optimizer(model.parameters())
        state = lab.train.State(model=model, config=CONFIG, step=step, optimizer=optimizer, generator=torch.Generator())
        recipe.step(model, batch, state)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate)


def test_the_trained_network_stands_alone():
    model = recipe.build(CONFIG)
    images = recipe.data(CONFIG).test[:5].inputs
    alone = model.bake(torch.tensor(0))
    assert isinstance(alone, nn.Sequential)
    assert isinstance(alone.block, nn.Sequential)
    assert alone.block.conv.weight.shape == (4, 4, 7, 7)
    torch.testing.assert_close(alone(images), model(images, context=torch.tensor(0)))
    assert OrderedDict(alone.named_children()).keys() == {"stem", "block", "flat", "out"}
