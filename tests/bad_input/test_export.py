"""An adapter folder of something that is no adapter."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, targets
from hyperdnn.errors import CheckpointError, ConfigError, LayoutError


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).requires_grad_(False)


def plain() -> hd.HyperDNN:
    return hd.HyperDNN.for_tasks(net(), 3)


def a_change() -> hd.HyperDNN:
    target = hd.Target(net(), "2.weight", combine=targets.LowRank(1))
    head = heads.FullHead(6, target.layout)
    return hd.HyperDNN(target, hd.Hypernet(encoder=encoders.Table(3, 5), body=bodies.MLP(5, 6), head=head))


def film() -> hd.HyperDNN:
    module = net()
    targets.attach_film(module, "2")
    return hd.HyperDNN.for_tasks(module, 3, select="*.film.*")


def lora() -> hd.HyperDNN:
    module = net()
    targets.attach_lora(module, "0", 1)
    return hd.HyperDNN.for_tasks(module, 3, select="*.lora_*")


def more_than_lora() -> hd.HyperDNN:
    module = net()
    targets.attach_lora(module, "0", 1)
    return hd.HyperDNN.for_tasks(module, 3, select=("*.lora_*", "2.weight"))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (plain, r"0\.weight"),
        (a_change, r"2\.weight"),
        (film, r"2\.film\.gain"),
        (more_than_lora, r"2\.weight"),
    ],
    ids=["weights", "low-rank-change", "film", "more-than-lora"],
)
def test_what_is_not_lora(make: Callable[[], hd.HyperDNN], name: str, tmp_path: Path) -> None:
    words = rf"'{name}' is generated and is not LoRA\. .* export the whole network instead, model\.bake\(context\)"
    with pytest.raises(LayoutError, match=words):
        hd.export.peft(make(), tmp_path / "adapter", context=torch.tensor(0))
    assert not (tmp_path / "adapter").exists()


def test_a_base_that_is_trained_too(tmp_path: Path) -> None:
    module = net().requires_grad_(True)
    targets.attach_lora(module, "0", 1)
    model = hd.HyperDNN.for_tasks(module, 3, select="*.lora_*")
    with pytest.raises(
        LayoutError, match=r"'0\.base\.weight' is trained .* net\.requires_grad_\(False\) before attach_lora"
    ):
        hd.export.peft(model, tmp_path / "adapter", context=torch.tensor(0))


@pytest.mark.parametrize("place", ["/dev/null/below", "x" * 300, "a\0b"])
def test_a_place_that_cannot_be_written(place: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is a file, not a folder|cannot be exported into"):
        hd.export.peft(lora(), tmp_path / place, context=torch.tensor(1))


@pytest.mark.parametrize("task", [3, ["CAUSAL_LM"], float("nan")])
def test_a_task_type_that_is_no_text(task: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected text, such as 'CAUSAL_LM', or None"):
        hd.export.peft(lora(), tmp_path, context=torch.tensor(1), task_type=task)  # type: ignore[arg-type]


@pytest.mark.parametrize("metadata", [{"context": 3}, {3: "context"}])
def test_metadata_that_are_no_texts(metadata: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"metadata: .* have to be texts"):
        hd.export.safetensors(net(), tmp_path / "net.safetensors", torch.randn(4, 3), metadata=metadata)  # type: ignore[arg-type]
