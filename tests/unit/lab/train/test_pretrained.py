import random
import sys
import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from hyperdnn.errors import CheckpointError, CheckpointWarning, ConfigError
from hyperdnn.lab.train import Settings, TrainingError, pretrained
from hyperdnn.lab.train import _pretrained as module


@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 3
    width: int = 3
    train: Settings = Settings(iterations=5, batch_size=4, lr=0.1, checkpoint_every=None, device="cpu")


@dataclass
class Numbers:
    values: torch.Tensor

    @property
    def train(self):
        return self

    def sample(self, size, *, generator):
        return self.values[torch.randint(len(self.values), (size,), generator=generator)]

    def to(self, device):
        return Numbers(self.values.to(device))


class Counted:
    """How often there was anything to train on."""

    def __init__(self):
        self.times = 0

    def __call__(self, config):
        self.times += 1
        return Numbers(torch.randn(16, config.width, generator=torch.Generator().manual_seed(0)))


def make(config):
    net = nn.Sequential(nn.Linear(config.width, config.width), nn.Dropout(0.5), nn.Linear(config.width, config.width))
    net[2].weight = net[0].weight  # tied
    return net.append(nn.BatchNorm1d(config.width))


def step(model, batch, state):
    return {"loss": (model(batch) - batch).square().mean() * state.config.width}


@pytest.fixture
def data():
    return Counted()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "hyperdnn" / "pretrained"


def get(data, config=None, *, name="base", step=step, also=None):
    return pretrained(name, config or Config(), make=make, data=data, step=step, also=also)


def file_of(folder):
    (file,) = folder.glob("base-*.safetensors")
    return file


def same(one, other):
    return all(a.equal(b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_it_is_trained_once_and_read_afterwards_bit_equal(data, folder):
    first = get(data)
    torch.randn(7)  # whatever was drawn before
    second = get(data)
    assert data.times == 1
    assert same(first, second)
    assert second[2].weight is second[0].weight
    assert not any(part.training for net in (first, second) for part in net.modules())
    assert not any(parameter.grad is not None for parameter in first.parameters())
    torch.manual_seed(3)
    assert not same(first, make(Config()))
    assert first[3].num_batches_tracked == 5
    assert load_file(file_of(folder)).keys() == first.state_dict().keys()


def test_it_is_the_same_in_another_cache(data, tmp_path, monkeypatch):
    first = get(data)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    random.random(), torch.randn(3)
    assert same(first, get(data))
    assert data.times == 2


def test_the_callers_random_numbers_go_on(data):
    def drawn():
        return random.random(), float(np.random.random()), float(torch.rand(()))

    def seeded():
        random.seed(1), np.random.seed(1), torch.manual_seed(1)

    seeded()
    expected = drawn()
    for _ in range(2):  # trained, then read
        seeded()
        get(data)
        assert drawn() == expected
    assert data.times == 1


def test_whatever_determines_it_has_a_file_of_its_own(data, folder):
    config = Config()
    get(data, config)
    get(data, replace(config, seed=4))
    get(data, replace(config, width=2))
    get(data, replace(config, train=replace(config.train, lr=0.01)))
    get(data, config, also={"data": "another checksum"})
    get(data, config, name="other")
    assert data.times == len(list(folder.glob("*.safetensors"))) == 6


@pytest.mark.parametrize("version", ["__version__", "torch"])
def test_another_version_makes_it_anew(data, monkeypatch, version):
    get(data)
    if version == "torch":
        monkeypatch.setattr(module.torch, "__version__", "9.9")
    else:
        monkeypatch.setattr(module, "__version__", "9.9")
    get(data)
    assert data.times == 2


def _half(file):
    file.write_bytes(file.read_bytes()[:-9])


def _flipped(file):
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


def _foreign(file):
    save_file({name: torch.zeros_like(tensor) for name, tensor in load_file(file).items()}, file)


def _other(file):
    get(Counted(), name="other")
    file.write_bytes(next(file.parent.glob("other-*")).read_bytes())


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_half, r"base-.* is damaged.*made again"),
        (_flipped, r"its sha256 sum is another\. It is made again"),
        (_foreign, "holds other weights than its name says"),
        (_other, "holds other weights than its name says"),
        (lambda file: file.write_text(""), "is damaged"),
    ],
)
def test_a_bad_file_is_passed_over_and_made_again(data, folder, harm, message):
    first = get(data)
    harm(file_of(folder))
    with pytest.warns(CheckpointWarning, match=message):
        second = get(data)
    assert same(first, second)
    assert same(first, get(data))
    assert data.times == 2


def test_a_training_that_fails_leaves_nothing(data, folder):
    def broken(model, batch, state):
        return {"loss": step(model, batch, state)["loss"] * torch.inf}

    before = torch.get_rng_state()
    with pytest.raises(TrainingError, match="not finite"):
        get(data, step=broken)
    assert not list(folder.glob("*.safetensors"))
    assert torch.get_rng_state().equal(before)


def test_a_cache_that_cannot_be_written_is_said_before_training(data, tmp_path, monkeypatch):
    (tmp_path / "full").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "full"))
    with pytest.raises(CheckpointError, match=r"pretrained cannot be written.*set XDG_CACHE_HOME"):
        get(data)
    assert data.times == 0


def test_a_disk_that_is_full_at_the_end_costs_no_training(data, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(module, "replace_file", full)
        with pytest.warns(CheckpointWarning, match=r"cannot be written: no space left\. It is trained again next time"):
            first = get(data)
    assert same(first, get(data))


def test_values_that_are_not_plain_are_refused(data):
    with pytest.raises(ConfigError, match=r"'base': expected plain values .* in also.*Tensor"):
        get(data, also={"data": torch.ones(1)})


def test_several_processes_do_not_train_it(data, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(module, "number", lambda: 2)
        with pytest.raises(ConfigError, match=r"'base' is trained in one process.*Run once with one device first"):
            get(data)
    first = get(data)
    monkeypatch.setattr(module, "number", lambda: 2)
    assert same(first, get(data))  # and read by each of them


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
def test_who_comes_while_it_is_made_waits_and_reads_it(data, folder, tmp_path):
    first = get(data)
    file, away = file_of(folder), tmp_path / "away"
    file.rename(away)
    found = []
    second = threading.Thread(target=lambda: found.append(get(data)))
    with module._alone(file):
        second.start()
        second.join(0.3)
        assert second.is_alive()
        away.rename(file)
    second.join(30)
    assert same(first, found[0])
    assert data.times == 1
