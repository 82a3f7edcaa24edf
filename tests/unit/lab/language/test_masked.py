import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import MASK
from hyperdnn.lab.language import LanguageModel, language_model, vocabulary
from hyperdnn.lab.language import _masked as module
from hyperdnn.lab.train import Settings, State

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what they say of each other while they are imported is theirs
    transformers = pytest.importorskip("transformers", reason="needs hyperdnn[peft]")

TEXTS = ["the cat sat on the mat", "a hat on a cat", "the mat is a hat"] * 4
SMALL = LanguageModel(
    vocabulary=300,
    features=8,
    layers=1,
    attention_heads=2,
    length=6,
    train=Settings(iterations=3, batch_size=4, checkpoint_every=None, device="cpu"),
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hyperdnn" / "pretrained"


def save_base(pieces, folder):
    """A small encoder of somebody's, kept with its vocabulary."""
    config = transformers.BertConfig(
        vocab_size=300, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    base = transformers.BertModel(config, add_pooling_layer=False).eval()
    for part in (base, transformers.PreTrainedTokenizerFast(tokenizer_object=pieces.pieces, pad_token="[PAD]")):
        part.save_pretrained(folder)
    return base


def test_a_small_one_is_trained_once(cache):
    pieces = vocabulary(SMALL, TEXTS)
    first, second = (language_model(SMALL, pieces, TEXTS) for _ in range(2))
    assert len(list(cache.glob("masked-language-model-*.safetensors"))) == 1
    tokens = pieces.encode(TEXTS[:2], 6).long()
    assert first(input_ids=tokens).last_hidden_state.equal(second(input_ids=tokens).last_hidden_state)
    assert first(input_ids=tokens).last_hidden_state.shape == (2, 6, 8)
    assert not first.training
    language_model(SMALL, pieces, TEXTS[:-1])
    language_model(replace(SMALL, masked=0.2), pieces, TEXTS)
    assert len(list(cache.glob("*.safetensors"))) == 3


def test_texts_too_short_are_refused():
    with pytest.raises(ConfigError, match="shorter than one row"):
        language_model(SMALL, vocabulary(SMALL, TEXTS), ["cat"])


def test_one_from_a_folder_comes_with_its_vocabulary(tmp_path):
    pieces = vocabulary(SMALL, TEXTS)
    base = save_base(pieces, tmp_path / "base")
    settings = LanguageModel(pretrained=str(tmp_path / "base"), length=6)
    own = vocabulary(settings, ["nothing is learnt from this"])
    assert own.rows(TEXTS) == pieces.rows(TEXTS)
    tokens = own.encode(TEXTS[:2], 6).long()
    found = language_model(settings, own, TEXTS)
    torch.testing.assert_close(found(input_ids=tokens).last_hidden_state, base(input_ids=tokens).last_hidden_state)


def test_a_revision_of_one_on_the_hub_is_the_one_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    pieces = vocabulary(SMALL, TEXTS)
    stored, commits, bases = tmp_path / "models--ours--small", {"main": "a" * 40, "older": "b" * 40}, {}
    for name, commit in commits.items():
        bases[name] = save_base(pieces, stored / "snapshots" / commit)
        (stored / "refs").mkdir(exist_ok=True)
        (stored / "refs" / name).write_text(commit)
    tokens = pieces.encode(TEXTS[:2], 6).long()
    for revision, name in ((None, "main"), (commits["older"], "older"), ("older", "older")):
        settings = LanguageModel(pretrained="ours/small", revision=revision, length=6)
        found = language_model(settings, vocabulary(settings, TEXTS), TEXTS)
        expected = bases[name](input_ids=tokens).last_hidden_state
        torch.testing.assert_close(found(input_ids=tokens).last_hidden_state, expected)
    missing = LanguageModel(pretrained="ours/small", revision="c" * 40)
    with pytest.raises(ConfigError, match="got 'ours/small' at revision 'ccc"):
        vocabulary(missing, TEXTS)


def test_one_that_is_not_to_be_had_is_refused(tmp_path):
    settings = LanguageModel(pretrained=str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"(?s)base\.pretrained: .*nowhere.* name its folder"):
        vocabulary(settings, TEXTS)
    with pytest.raises(ConfigError, match=r"base\.pretrained"):
        language_model(settings, vocabulary(SMALL, TEXTS), TEXTS)


class Recording(nn.Module):
    """A model that notes what it is shown, and guesses what it is told to."""

    config = SimpleNamespace(vocab_size=50)

    def __init__(self):
        super().__init__()
        self.seen = None

    def base_model(self, *, input_ids):
        self.seen = input_ids
        return SimpleNamespace(last_hidden_state=input_ids.unsqueeze(-1).float())

    def lm_head(self, states):
        self.asked = states.squeeze(-1)
        return torch.zeros(len(states), 50)


def test_of_what_is_asked_most_is_hidden_and_some_is_changed_or_shown():
    model = Recording()
    rows = torch.full((400, 50), 7)
    state = State(model=model, config=SMALL, generator=torch.Generator().manual_seed(0))
    loss = module._step(model, rows, state)["loss"]
    assert loss.item() == pytest.approx(torch.tensor(50.0).log().item())
    assert len(model.asked) / rows.numel() == pytest.approx(0.3, abs=0.01)
    shares = {
        name: (model.asked == number).float().mean().item() for name, number in {"hidden": MASK, "shown": 7}.items()
    }
    assert shares["hidden"] == pytest.approx(0.8, abs=0.02)
    assert shares["shown"] == pytest.approx(0.1 + 0.1 / 48, abs=0.02)
    changed = model.asked[(model.asked != MASK) & (model.asked != 7)]
    assert changed.min() >= 2
    assert int((model.seen != 7).sum()) == int((model.asked != 7).sum())  # nothing else is touched


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": 9}, "2 do not divide 9 features"),
        ({"masked": 0.0}, "masked: expected a share between 0 and 1, got 0.0"),
        ({"masked": 1.0}, "masked: expected a share"),
        ({"layers": 0}, "layers: expected 1 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(SMALL, **changes)
