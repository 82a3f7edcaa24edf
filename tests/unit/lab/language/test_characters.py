import sys
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from hyperdnn.errors import ConfigError, MissingExtraError
from hyperdnn.lab.data import VoiceShape, voices
from hyperdnn.lab.language import CharacterModel, character_model, losses, plain
from hyperdnn.lab.train import Settings, _pretrained

TRAIN = Settings(iterations=30, batch_size=1, lr=1e-2, checkpoint_every=None)
SMALL = CharacterModel(features=8, hidden=8, layers=1, attention_heads=2, keys=1, passages=4, train=TRAIN)
SHAPE = VoiceShape(characters=12, lines=10, drawn=2, features=4)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setattr(_pretrained, "cache_folder", lambda: tmp_path)


def test_it_has_learnt_and_is_frozen():
    heard = voices("drawn", SHAPE)
    model = character_model(SMALL, heard)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    batch = heard.base.side_by_side()
    fresh = character_model(replace(SMALL, train=replace(TRAIN, iterations=1, lr=0.0)), heard)
    assert losses(plain(model, batch), batch) < losses(plain(fresh, batch), batch) - 0.1


def test_it_is_read_again(monkeypatch):
    heard = voices("drawn", SHAPE)
    model = character_model(SMALL, heard)
    monkeypatch.setattr(_pretrained, "fit", None)
    for one, other in zip(model.parameters(), character_model(SMALL, heard).parameters(), strict=True):
        assert one.equal(other)


def test_it_sees_only_what_came_before():
    heard = voices("drawn", SHAPE)
    model = character_model(SMALL, heard)
    batch = heard.test.side_by_side()
    changed = replace(batch, inputs=torch.cat([batch.inputs[..., :6], batch.inputs[..., 6:].flip(-1)], -1))
    before, after = plain(model, batch), plain(model, changed)
    torch.testing.assert_close(before[..., :6, :], after[..., :6, :])
    assert not torch.allclose(before[..., 6:, :], after[..., 6:, :])


def test_losses_are_means_over_a_voice():
    batch = voices("drawn", SHAPE).test.side_by_side()
    logits = torch.randn(*batch.inputs.shape, 96)
    found = losses(logits, batch)
    for loss, one, targets in zip(found, logits, batch.targets, strict=True):
        torch.testing.assert_close(loss, F.cross_entropy(one.flatten(0, 1), targets.flatten()))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match="layers"):
        CharacterModel(layers=0)


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"hyperdnn\[peft\]"):
        character_model(SMALL, voices("drawn", SHAPE))
