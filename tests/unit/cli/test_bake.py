import json
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

import hyperdnn as hd
from hyperdnn import lab, targets
from hyperdnn.cli import _bake, main
from hyperdnn.export import Difference
from hyperdnn.inspect import Probe

NAMES = {
    "tasks": "continual/task_conditioned",
    "preferences": "multiobjective/pareto_phn",
    "images": "implicit/functional_image",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of three recipes, the system alone, made where they are asked for."""
    out, made = tmp_path_factory.mktemp("runs"), {}

    def run(kind):
        if kind not in made:
            name = NAMES[kind]
            words = ["run", name, "--setting", "tiny", "--variants", "hypernet", "--quiet", "--out", str(out)]
            assert main(words) == 0
            made[kind] = next((out / name).iterdir())
        return made[kind]

    return run


def _by_hand(monkeypatch, net, **options):
    """A run folder of a model without a recipe."""
    model = hd.HyperDNN.for_tasks(net, 3, **options).eval()
    for parameter in model.hypernet.parameters():
        nn.init.normal_(parameter)
    view = lab.View(
        model=model,
        contexts=torch.arange(3),
        names=["ann", "bob", "cid"],
        context="user",
        probes=[Probe(name="test", inputs=torch.randn(4, 6))],
    )
    facts = {"name": "own", "variant": "hypernet", "step": 7, "finished": False, "config": SimpleNamespace(seed=5)}
    monkeypatch.setitem(vars(lab), "trained", lambda *_, **__: SimpleNamespace(**facts, view=lambda: view))
    return model


def test_weights_of_a_task(runs, capsys):
    folder = runs("tasks")
    capsys.readouterr()
    assert main(["bake", str(folder), "--context", "Task 1", "--to", "safetensors"]) == 0
    path = folder / "baked" / "task-1.safetensors"
    text = capsys.readouterr().out
    assert "Sequential for task 1: continual/task_conditioned, hypernet, seed 0, after 60 steps\n" in text
    assert f"Written   {path} (1,210 numbers, " in text
    assert "Compared  with the HyperDNN on 100 inputs of 'task 1': largest difference 0, at most " in text
    assert f"safetensors.torch.load_model(net, '{path}')" in text
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["context"] == "task 1"
    found = lab.trained(folder)
    plain = found.hyperdnn.bake(torch.tensor(0)).eval()
    plain.load_state_dict(load_file(path))
    x = found.view().probes[1].inputs
    assert torch.equal(plain(x), found.hyperdnn(x, context=torch.tensor(1)))


def test_a_program_of_a_preference_as_json(runs, capsys, tmp_path):
    folder = runs("preferences")
    capsys.readouterr()
    words = ["--context", "0.25,0.75", "--to", "torch-export", "--json", "--out", str(tmp_path)]
    assert main(["bake", str(folder), *words]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["path"] == str(tmp_path / "preference-0.25-0.75.pt2")
    assert said["largest_difference"] <= said["allowed_difference"] < 1e-2
    model = lab.trained(folder).hyperdnn
    x = torch.randn(3, *lab.trained(folder).view().probes[0].inputs.shape[1:])
    found = torch.export.load(said["path"]).module()(x)
    torch.testing.assert_close(found, model(x, context=torch.tensor([0.25, 0.75])))


def test_an_onnx_file_of_an_image(runs, capsys):
    pytest.importorskip("onnxruntime", reason="needs hyperdnn[export]")
    folder = runs("images")
    capsys.readouterr()
    words = ["--context", "image 2", "--to", "onnx", "--variant", "hypernet", "--seed", "0", "--json"]
    assert main(["bake", str(folder), *words]) == 0
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert printed.err == ""
    assert said["path"] == str(folder / "baked" / "hypernet-seed-0-image-2.onnx")
    assert said["compared_on"].endswith("inputs of 'image 2'")
    assert said["largest_difference"] <= said["allowed_difference"]


def test_an_adapter(monkeypatch, capsys, tmp_path):
    pytest.importorskip("peft", reason="needs hyperdnn[peft]")
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).requires_grad_(False)
    targets.attach_lora(net, ("0", "2"), 2)
    _by_hand(monkeypatch, net, select="*.lora_*")
    assert main(["bake", str(tmp_path), "--context", "bob", "--to", "peft"]) == 0
    printed = capsys.readouterr()
    assert "Written   " + str(tmp_path / "baked" / "bob") + " (50 numbers, " in printed.out
    assert "seed 5, after 7 steps, training not finished\n" in printed.out
    assert "peft.PeftModel.from_pretrained(net, " in printed.out
    assert printed.err == ""
    assert (tmp_path / "baked" / "bob" / "adapter_model.safetensors").is_file()


def test_a_target_without_lora_is_no_adapter(monkeypatch, capsys, tmp_path):
    pytest.importorskip("peft", reason="needs hyperdnn[peft]")
    _by_hand(monkeypatch, nn.Linear(6, 2))
    assert main(["bake", str(tmp_path), "--context", "bob", "--to", "peft"]) == 1
    text = capsys.readouterr().err
    assert "hyperdnn: --to peft: 'weight' is generated and is not LoRA." in text
    assert "Here that is --to safetensors, torch-export or onnx." in text


def test_of_a_distribution_over_weights_one_network_is_drawn(monkeypatch, capsys, tmp_path):
    _by_hand(monkeypatch, nn.Linear(6, 2), combine=targets.Gaussian())
    assert main(["bake", str(tmp_path), "--context", "2", "--to", "safetensors"]) == 0
    assert (
        "Compared  with the network that was drawn on 4 inputs of 'test': largest difference 0"
        in capsys.readouterr().out
    )


def test_a_file_that_computes_something_else_is_a_failure(monkeypatch, capsys, tmp_path):
    _by_hand(monkeypatch, nn.Linear(6, 2))
    far = Difference(largest=1.0, limit=1e-4, outputs=8, within=False)
    write = _bake._write

    def written(*arguments):
        exported = write(*arguments)
        monkeypatch.setattr(hd.export, "difference", lambda *_: far)
        return exported

    monkeypatch.setattr(_bake, "_write", written)
    assert main(["bake", str(tmp_path), "--context", "2", "--to", "safetensors"]) == 1
    assert (
        "computes something else than the HyperDNN: largest difference 1 in 8 outputs, at most"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--context", "bop", "--to", "onnx"], 2, "no user 'bop'. Did you mean 'bob'?"),
        (["--context", "3", "--to", "onnx"], 2, "expected a user's number, from 0 to 2"),
        (["--context", "1", "--to", "onx"], 2, "invalid choice: 'onx'"),
        (["--to", "onnx"], 2, "the following arguments are required: --context"),
        (["--context", "1", "--to", "onnx", "--shape", "0,3"], 2, "expected whole numbers from 1, such as 1,28,28"),
        (["--context", "1", "--to", "onnx", "--shape", "7"], 2, "inputs of shape (7,) do not fit the network"),
        (["--context", "1", "--to", "torch-export", "--out", "/dev/null/x"], 1, "/dev/null is a file, not a folder"),
    ],
)
def test_mistakes_are_one_message(words, code, message, monkeypatch, capsys, tmp_path):
    _by_hand(monkeypatch, nn.Linear(6, 2))
    assert main(["bake", str(tmp_path), *words]) == code
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""


def test_a_folder_without_a_run(capsys, tmp_path):
    assert main(["bake", str(tmp_path), "--context", "1", "--to", "onnx"]) == 2
    assert "holds no run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1210, "1.21 kB"), (5_000_000, "5 MB"), (7_500_000_000, "7.5 GB")],
)
def test_sizes_in_words(number, text):
    assert _bake._size(number) == text
