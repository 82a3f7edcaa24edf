import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hyperdnn import Architecture
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.lab.baselines import Narrowed

LAYERS = ("0", "3")
WIDTHS = [(5, 2), (8, 6), (1, 3)]


def _net(first=8, second=6):
    return nn.Sequential(
        nn.Conv2d(3, first, 3),
        nn.BatchNorm2d(first),
        nn.ReLU(),
        nn.Conv2d(first, second, 1, bias=False),
        nn.Flatten(),
        nn.Linear(4 * second, 5),
    )


def _narrowed(widths=WIDTHS, *, dtype=torch.float32):
    torch.manual_seed(0)
    model = Narrowed(Architecture.of(_net().to(dtype)), LAYERS, len(WIDTHS)).to(dtype)
    if widths is not None:
        model.choose_(widths)
    return model


def test_outputs_are_those_of_the_networks_one_by_one():
    model, images = _narrowed(), torch.randn(7, 3, 4, 4)
    found = model(images)
    assert found.shape == (3, 7, 5)
    for index, logits in enumerate(found):
        torch.testing.assert_close(model.network(index).train()(images), logits)


def test_dropout_follows_the_mode():
    net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(), nn.Linear(8, 2))
    model, rows = Narrowed(Architecture.of(net), ("0",), 2), torch.randn(5, 3)
    model.choose_([(4,), (6,)])
    assert not model(rows).equal(model(rows))
    model.eval()
    assert model(rows).equal(model(rows))


def test_a_network_is_an_ordinary_module_of_its_widths():
    for index, widths in enumerate(WIDTHS):
        network = _narrowed().network(index)
        assert type(network) is nn.Sequential
        expected = {name: p.shape for name, p in _net(*widths).named_parameters()}
        assert {name: p.shape for name, p in network.named_parameters()} == expected


def test_weights_start_as_those_of_layers_so_narrow():
    torch.manual_seed(0)
    wide = nn.Sequential(nn.Linear(8, 400), nn.Linear(400, 300))
    model = Narrowed(Architecture.of(wide), ("0",), 2)
    model.choose_([(4,), (400,)])
    narrow, whole = (model.network(index)[1].weight for index in range(2))
    assert narrow.std().item() == pytest.approx((3 * 4) ** -0.5, rel=0.1)  # by its own fan-in, not the wide one's
    assert whole.std().item() == pytest.approx((3 * 400) ** -0.5, rel=0.1)


def test_training_together_is_training_alone():
    # In 64 bits: of a bias in front of a norm the gradient is rounding, of which Adam would make steps in 32.
    model, targets = _narrowed(dtype=torch.float64), torch.randint(5, (9,))
    images = torch.randn(9, 3, 4, 4, dtype=torch.float64)
    alone = [model.network(index).train() for index in range(3)]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        torch.stack([F.cross_entropy(logits, targets) for logits in model(images)]).sum().backward()
        optimizer.step()
    for index, network in enumerate(alone):
        own = torch.optim.Adam(network.parameters(), lr=0.1)
        for _ in range(3):
            own.zero_grad()
            F.cross_entropy(network(images), targets).backward()
            own.step()
        for name, weight in model.network(index).named_parameters():
            torch.testing.assert_close(weight, network.get_parameter(name), rtol=1e-6, atol=1e-6)


def test_what_was_chosen_is_in_the_state():
    images = torch.randn(2, 3, 4, 4)
    model, fresh = _narrowed(), _narrowed(None)
    assert fresh(images).shape == (3, 2, 5)  # all as wide as can be
    fresh.load_state_dict(model.state_dict())
    assert fresh(images).equal(model(images))
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other(images).equal(model(images))


def test_chosen_again_it_begins_again():
    model, images = _narrowed(), torch.randn(2, 3, 4, 4)
    before = model(images)
    model.choose_(WIDTHS[::-1])
    assert model.widths.tolist() == [list(row) for row in WIDTHS[::-1]]
    assert not model(images).flip(0).allclose(before)


def test_wrong_choices_leave_everything_as_it_was():
    model, images = _narrowed(), torch.randn(2, 3, 4, 4)
    before = model(images)
    with pytest.raises(ConfigError, match="expected widths of 3 networks, got 2"):
        model.choose_(WIDTHS[:2])
    with pytest.raises(LayoutError, match="'3': width 7, expected a whole number from 1 to 6"):
        model.choose_([(5, 2), (8, 7), (1, 3)])
    assert model(images).equal(before)


def test_what_cannot_be_narrowed_is_refused():
    with pytest.raises(ConfigError, match="expected at least one network, got 0"):
        Narrowed(Architecture.of(_net()), LAYERS, 0)
    with pytest.raises(ConfigError, match=r"'5\.bias' is not in the layout. Take Architecture.of\(module\)"):
        Narrowed(Architecture.of(_net(), "0.*", "1.*", "3.*"), LAYERS, 1)
    with pytest.raises(LayoutError, match=r"'4\.weight' is not in the layout"):
        Narrowed(Architecture.of(_net()), ("0", "4"), 1)
