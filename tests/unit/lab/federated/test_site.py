import json
from pathlib import Path

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab._discover import load
from hyperdnn.lab.config import seed_everything
from hyperdnn.lab.federated._site import site, text_of

RECIPE = str(Path(__file__).parents[3] / "reliability" / "clients.py")


def test_it_begins_as_the_server_does(config):
    here = site(RECIPE, "hypernet", text_of(config))
    recipe = load(RECIPE)
    seed_everything(config.seed)
    recipe.data(config)
    model = recipe.build(config)
    assert here.client.config == config
    assert here.client.own["module.5.weight"].equal(model.target.module[5].weight)
    assert {name: tuple(t.shape) for name, t in here.like.items()} == {s.name: s.shape for s in model.target.layout}
    assert here.device == torch.device("cpu")


def test_it_is_made_once(config):
    assert site(RECIPE, "hypernet", text_of(config)) is site(RECIPE, "hypernet", text_of(config))


def test_what_does_not_fit_the_recipe_is_named(config):
    with pytest.raises(ConfigError, match="no setting 'beta'"):
        site(RECIPE, "hypernet", json.dumps({**json.loads(text_of(config)), "beta": 1}))
    with pytest.raises(ConfigError, match="there is no client 5: the recipe has data for 5, from 0"):
        site(RECIPE, "hypernet", text_of(config)).task(5)
    with pytest.raises(ConfigError, match="there is no client -1"):
        site(RECIPE, "hypernet", text_of(config)).task(-1)
