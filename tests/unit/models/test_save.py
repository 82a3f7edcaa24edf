import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, targets
from hyperdnn.errors import CheckpointError, ConfigError
from hyperdnn.models import _save


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def test_a_folder_holds_two_files_and_says_what_is_in_them(tmp_path: Path) -> None:
    model = hd.HyperDNN.for_tasks(net(), 3, select="2.*", combine=targets.Residual())
    model.save_pretrained(tmp_path / "new" / "folder")
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == ["config.json", "model.safetensors"]
    config = json.loads((tmp_path / "new" / "folder" / "config.json").read_text())
    assert config["format"] == 1
    assert config["versions"] == {"hyperdnn": hd.__version__, "torch": torch.__version__}
    assert config["target"] == {
        "class": "Sequential",
        "select": ["2.weight", "2.bias"],
        "combine": {"class": "Residual", "arguments": {}},
        "buffers": None,
        "train_base": False,
    }
    assert config["layout"]["fingerprint"] == model.target.layout.fingerprint
    assert hd.ParamLayout.from_json(config["layout"]["specs"]) == model.target.layout


def test_only_trained_tensors_are_written(tmp_path: Path) -> None:
    model = hd.HyperDNN.for_tasks(net(), 3, select="2.*")
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert set(file.keys()) == set(model.state_dict())
        assert not any(name.startswith("target.module.2") for name in file.keys())  # noqa: SIM118 - no mapping


def test_a_shared_tensor_is_written_once(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    module[1].weight = module[0].weight
    hd.HyperDNN.for_tasks(module, 2, select="2.*").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["shared"] == {"target.module.1.weight": "target.module.0.weight"}


def test_a_combine_of_the_users_own_leaves_no_file(tmp_path: Path) -> None:
    class Mine:
        needs_base = False

        def specs(self, spec: hd.ParamSpec) -> list[hd.ParamSpec]:
            return [spec]

        def __call__(self, generated: list[Tensor], base: Tensor | None, shape: tuple[int, ...]) -> Tensor:
            return -generated[0]

    with pytest.raises(ConfigError, match="combine Mine"):
        hd.HyperDNN.for_tasks(net(), 2, combine=Mine()).save_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = hd.HyperDNN.for_tasks(net(), 2)
    model.save_pretrained(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()

    def fail(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(_save, "save_file", fail)
    with pytest.raises(CheckpointError, match="cannot be saved into: disk full"):
        model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_two_views_of_the_same_numbers_are_two_tensors(tmp_path: Path) -> None:
    """A matrix and its transpose begin at the same address, and are equally large."""

    class Views(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            matrix = torch.randn(4, 4)
            self.register_buffer("matrix", matrix)
            self.register_buffer("transposed", matrix.T)

        def forward(self, context: Tensor) -> Tensor:
            return context @ self.matrix @ self.transposed

    def build() -> hd.HyperDNN:
        target = hd.Target(net())
        head = heads.FullHead(8, target.layout)
        return hd.HyperDNN(target, hd.Hypernet(encoder=Views(), body=bodies.MLP(4, 8), head=head))

    model = build()
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=net(), encoder=Views())
    torch.testing.assert_close(loaded.hypernet.encoder.state_dict(), model.hypernet.encoder.state_dict())


def test_saving_moves_no_parameter(tmp_path: Path) -> None:
    model = hd.HyperDNN.for_tasks(net(), 2)
    before = {name: id(p) for name, p in model.named_parameters()}
    model.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    assert {name: id(p) for name, p in model.named_parameters()} == before
    assert isinstance(model.hypernet.encoder, encoders.Table)
