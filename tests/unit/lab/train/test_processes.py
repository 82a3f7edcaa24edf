"""One process; for two see ``tests/distributed/checks_engine.py``."""

from dataclasses import replace

import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab.train import launch
from hyperdnn.lab.train._processes import Processes, are_several


def test_one_process_takes_all(settings, tasks):
    processes = Processes(settings)
    batch = tasks[0].train[:5]
    assert (processes.number, processes.rank) == (1, 0)
    assert processes.share(batch) is batch
    losses = {}
    assert processes.mean(losses) is losses


def test_one_process_writes(settings):
    assert launch(settings)
    assert launch(None)


def test_a_strategy_wants_several_devices(settings):
    with pytest.raises(
        ConfigError, match=r"'fsdp' is for several devices\. Add --devices 2, start .*, or take --strategy auto"
    ):
        launch(replace(settings, strategy="fsdp"))


def test_torchruns_number_is_the_one_that_counts(settings, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setenv("WORLD_SIZE", "8")
    with pytest.raises(ConfigError, match=r"train\.devices: 3, but torchrun started 4 on this machine\. Leave it out"):
        Processes(replace(settings, devices=3))


def test_what_several_processes_are(settings, monkeypatch):
    assert are_several(replace(settings, devices=2))
    assert not are_several(settings)
    assert not are_several(None)
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert are_several(settings)  # two machines with one device each


@pytest.mark.parametrize("devices", [0, -1])
def test_there_is_a_device(settings, devices):
    with pytest.raises(ConfigError, match="devices: expected 1 or more"):
        replace(settings, devices=devices)
