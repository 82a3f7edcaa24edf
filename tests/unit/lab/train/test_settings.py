import math

import pytest
import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config import from_mapping, to_mapping
from hyperdnn.lab.train import Settings


def test_settings_survive_a_mapping():
    settings = Settings(iterations=3, optimizer="sgd", momentum=0.9, clip_norm=1.0, precision="bf16-mixed")
    assert from_mapping(Settings, to_mapping(settings)) == settings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"iterations": 0}, "iterations: expected 1 or more, got 0"),
        ({"batch_size": -1}, "batch_size: expected 1 or more"),
        ({"accumulate": 0}, "accumulate: expected 1 or more, got 0"),
        ({"keep_last": 0}, "keep_last: expected 1 or more, got 0"),
        ({"checkpoint_every": 0}, "checkpoint_every: expected 1 or more, or null, got 0"),
        ({"validate_every": 0}, "validate_every: expected 1 or more, got 0"),
        ({"patience": 0}, "patience: expected 1 or more, or null, got 0"),
        ({"lr": -0.1}, "lr: expected 0 or more"),
        ({"lr": math.nan}, "lr: expected a finite number, got nan"),
        ({"weight_decay": -1}, "weight_decay: expected 0 or more"),
        ({"clip_norm": 0}, "clip_norm: expected more than 0"),
        ({"clip_generated": -1}, "clip_generated: expected more than 0, or null for no clipping, got -1"),
        ({"clip_generated": math.nan}, "clip_generated: expected number or null, got nan"),
        ({"momentum": 0.9}, "momentum belongs to sgd"),
        ({"schedule": "cosin"}, "schedule: expected 'constant' or 'cosine'"),
        ({"optimizer": "adaam"}, "optimizer: expected 'adam' or"),
    ],
)
def test_numbers_without_sense_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(Settings, values)


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_adam_is_fused(name, kind):
    (group,) = (
        Settings(optimizer=name, lr=0.1, weight_decay=0.2).make_optimizer(nn.Linear(2, 1).parameters()).param_groups
    )
    assert type(Settings(optimizer=name).make_optimizer(nn.Linear(2, 1).parameters())) is kind
    assert (group["lr"], group["weight_decay"], group["fused"]) == (0.1, 0.2, True)


def test_sgd_has_momentum():
    settings = Settings(optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=0.2)
    (group,) = settings.make_optimizer(nn.Linear(2, 1).parameters()).param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.1, 0.9, 0.2)


def test_frozen_parameters_stay_out():
    layer = nn.Linear(2, 1)
    layer.bias.requires_grad_(False)
    (group,) = Settings().make_optimizer(layer.parameters()).param_groups
    assert [p is layer.weight for p in group["params"]] == [True]
    layer.requires_grad_(False)
    with pytest.raises(ConfigError, match="every parameter is frozen"):
        Settings().make_optimizer(layer.parameters())


def test_the_rate_stays_or_falls_along_half_a_cosine():
    assert [Settings(lr=0.2).rate(done) for done in (0.0, 0.5, 1.0)] == [0.2, 0.2, 0.2]
    falling = [Settings(lr=0.2, schedule="cosine").rate(done) for done in (0.0, 1 / 3, 0.5, 1.0)]
    assert falling == pytest.approx([0.2, 0.15, 0.1, 0.0])
