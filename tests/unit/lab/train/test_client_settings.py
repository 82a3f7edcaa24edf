import pytest
import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config import from_mapping, to_mapping
from hyperdnn.lab.train import ClientSettings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("per_round", 0, "client.per_round: expected 1 or more, got 0"),
        ("steps", 0, "client.steps: expected 1 or more"),
        ("evaluate_every", 0, "client.evaluate_every: expected 1 or more, or null"),
        ("batch_size", 0, "client.batch_size: expected 1 or more"),
        ("lr", -1.0, "client.lr: expected 0 or more"),
        ("lr", float("nan"), "client.lr: expected 0 or more"),
        ("clip_norm", 0.0, "client.clip_norm: expected more than 0"),
    ],
)
def test_numbers_that_make_no_sense_are_named(name, value, message):
    with pytest.raises(ConfigError, match=message):
        ClientSettings(**{name: value})


def test_momentum_belongs_to_sgd():
    with pytest.raises(ConfigError, match="momentum belongs to sgd"):
        ClientSettings(optimizer="adam", momentum=0.9)


def test_the_optimizer_has_what_was_set_and_nothing_frozen():
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    optimizer = ClientSettings(lr=0.5, momentum=0.25, weight_decay=0.125).make_optimizer(layer.parameters())
    assert isinstance(optimizer, torch.optim.SGD)
    (group,) = optimizer.param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.5, 0.25, 0.125)
    assert len(group["params"]) == 1


def test_it_is_a_part_of_a_configuration():
    settings = ClientSettings(per_round=3, clip_norm=1.0)
    assert from_mapping(ClientSettings, to_mapping(settings)) == settings
