import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, export, heads, targets
from hyperdnn.errors import CheckpointError, ContextError, LayoutError

ONE = torch.tensor(1)


def _net() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Linear(8, 3)).requires_grad_(False)


def _model(net: nn.Module, select: str = "*.lora_*") -> hd.HyperDNN:
    target = hd.Target(net, select=select)
    encoder, body = encoders.Table(contexts=3, features=4), bodies.MLP(4, 8)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=body, head=heads.FullHead(8, target.layout)))
    for parameter in model.hypernet.parameters():
        nn.init.normal_(parameter)
    return model


def _with_lora() -> hd.HyperDNN:
    net = _net()
    targets.attach_lora(net, ("0", "2"), 2)
    targets.attach_lora(net, "3", 3, alpha=1.5)
    return _model(net)


def _config(folder: Path) -> dict[str, object]:
    return json.loads((folder / "adapter_config.json").read_text())


def test_the_folder_holds_the_generated_factors_and_their_settings(tmp_path: Path) -> None:
    model = _with_lora()
    export.peft(model, tmp_path / "new" / "folder", context=ONE)
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    weights = model.generate(ONE)
    stored = load_file(folder / "adapter_model.safetensors")
    assert stored.keys() == {f"base_model.model.{i}.lora_{side}.weight" for i in (0, 2, 3) for side in "AB"}
    for name, weight in weights.items():
        key = f"base_model.model.{name}".replace("lora_a", "lora_A").replace("lora_b", "lora_B")
        assert torch.equal(stored[key], weight)
    assert _config(folder) == {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": None,
        "target_modules": ["0", "2", "3"],
        "r": 2,
        "lora_alpha": 2.0,
        "rank_pattern": {"^3": 3},
        "alpha_pattern": {"^3": 1.5},
        "fan_in_fan_out": False,
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
    }


def test_the_name_of_the_base_and_the_task_are_noted(tmp_path: Path) -> None:
    net = _net()
    net.name_or_path = "somebody/base"
    targets.attach_lora(net, "0", 2)
    export.peft(_model(net), tmp_path, context=ONE, task_type="CAUSAL_LM")
    config = _config(tmp_path)
    assert (config["base_model_name_or_path"], config["task_type"]) == ("somebody/base", "CAUSAL_LM")


def test_only_its_own_files_are_replaced(tmp_path: Path) -> None:
    model = _with_lora()
    (tmp_path / "README.md").write_text("mine")
    for context in (0, 1):
        export.peft(model, str(tmp_path), context=torch.tensor(context))
    assert (tmp_path / "README.md").read_text() == "mine"
    stored = load_file(tmp_path / "adapter_model.safetensors")["base_model.model.0.lora_A.weight"]
    assert torch.equal(stored, model.generate(ONE)["0.lora_a.weight"])
    assert len(list(tmp_path.iterdir())) == 3


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _with_lora()
    export.peft(model, tmp_path, context=ONE)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    written = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if "config" in self.name:
            raise OSError("no space left on device")
        return written(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CheckpointError, match="cannot be exported into: no space"):
        export.peft(model, tmp_path, context=torch.tensor(0))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_factors_that_are_kept_go_along(tmp_path: Path) -> None:
    """One factor generated and one shared; one layer's LoRA trained as usual."""
    net = _net()
    targets.attach_lora(net, ("0", "3"), 2)
    nn.init.normal_(net[3].lora_b.weight)
    kept = {name: parameter.clone() for name, parameter in net.named_parameters() if "lora" in name}
    model = _model(net, "0.lora_b.weight")
    export.peft(model, tmp_path, context=ONE)
    stored = load_file(tmp_path / "adapter_model.safetensors")
    assert torch.equal(stored["base_model.model.0.lora_A.weight"], kept["0.lora_a.weight"])
    assert torch.equal(stored["base_model.model.0.lora_B.weight"], model.generate(ONE)["0.lora_b.weight"])
    assert torch.equal(stored["base_model.model.3.lora_B.weight"], kept["3.lora_b.weight"])


def test_what_a_combine_makes_is_written(tmp_path: Path) -> None:
    net = _net()
    targets.attach_lora(net, "0", 2)
    base = net[0].lora_a.weight.detach().clone()
    target = hd.Target(net, select="*.lora_*", combine=targets.Residual())
    encoder, body = encoders.Table(contexts=3, features=4), bodies.MLP(4, 8)
    hypernet = hd.Hypernet(encoder=encoder, body=body, head=heads.FullHead(8, target.layout))
    nn.init.normal_(hypernet.head.linear.bias)
    export.peft(hd.HyperDNN(target, hypernet), tmp_path, context=ONE)
    stored = load_file(tmp_path / "adapter_model.safetensors")["base_model.model.0.lora_A.weight"]
    torch.testing.assert_close(stored, base + hypernet(ONE)["0.lora_a.weight"])


@pytest.mark.parametrize("contexts", [1, 0, 3])
def test_one_context_only(contexts: int, tmp_path: Path) -> None:
    with pytest.raises(ContextError, match=rf"of one context, got \({contexts},\) contexts: export one at a time"):
        export.peft(_with_lora(), tmp_path / "new", context=torch.arange(contexts))
    assert not (tmp_path / "new").exists()


def test_a_network_that_is_more_than_lora_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"'0.weight' is generated and is not LoRA.*model.bake"):
        export.peft(_model(_net(), "*"), tmp_path / "new", context=ONE)
    assert not (tmp_path / "new").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "inside"):
        with pytest.raises(CheckpointError, match="is a file, not a folder to export into"):
            export.peft(_with_lora(), folder, context=ONE)
