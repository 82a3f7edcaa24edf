import json
import sys

import torch

import hyperdnn
from hyperdnn.cli import _doctor, main


def test_the_machine_as_json(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["hyperdnn"] == hyperdnn.__version__
    assert found["torch"] == torch.__version__
    assert found["threads"] == torch.get_num_threads()
    assert found["data"]["sets"]["digits"] is True
    assert found["extras"]["lab"]["pyyaml"]


def test_the_folder_of_data_sets_is_the_one_that_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("HYPERDNN_DATA", str(tmp_path))
    data = _doctor.examine()["data"]
    assert data["folder"] == str(tmp_path)
    assert data["sets"]["mnist"] is False


def test_a_missing_package_comes_with_the_line_to_type(capsys, monkeypatch):
    version = _doctor._version
    monkeypatch.setattr(_doctor, "_version", lambda name: None if name == "rich" else version(name))
    assert main(["doctor"]) == 0
    assert 'missing rich. Type: pip install "hyperdnn[lab]"' in capsys.readouterr().out


def test_a_machine_without_torch_and_extras_is_described_too(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "pip install torch" in text
    assert "unknown without the extra lab" in text


def test_every_extra_that_is_declared_is_listed(monkeypatch):
    extras = {"export": "onnx>=1.20", "explore": "gradio>=6", "x": "none-such"}
    declared = ["torch>=2.13", *(f"{package}; extra == '{extra}'" for extra, package in extras.items())]
    monkeypatch.setattr(_doctor.importlib.metadata, "requires", lambda _: declared)
    monkeypatch.setattr(_doctor, "_version", lambda name: None if name == "none-such" else "1")
    listed = {"export": {"onnx": "1"}, "explore": {"gradio": "1"}, "x": {"none-such": None}}
    assert _doctor.examine()["extras"] == listed
