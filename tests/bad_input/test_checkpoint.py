"""A saved model that is damaged, foreign, or made to do harm."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import encoders, heads, targets
from hyperdnn.errors import CheckpointError, ConfigError, HyperDNNError, LayoutError

Config = dict[str, Any]


def net(hidden: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, hidden), nn.ReLU(), nn.Linear(hidden, 2))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    hd.HyperDNN.for_tasks(net(), 3, hidden=8, combine=targets.LowRank(1)).save_pretrained(tmp_path)
    return tmp_path


def load(folder: Path, module: nn.Module | None = None) -> hd.HyperDNN:
    return hd.HyperDNN.from_pretrained(folder, target=module or net())


def rewrite(folder: Path, change: Callable[[Config], object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def rewrite_tensors(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_the_folder_loads_as_it_is(folder: Path) -> None:
    assert load(folder)(torch.randn(5, 3), context=torch.tensor(1)).shape == (5, 2)


def test_a_folder_saved_for_another_shape(folder: Path) -> None:
    words = r"was saved for another target: in its layout '0\.weight\.left' is \(4, 1\), the other's is \(5, 1\)"
    with pytest.raises(LayoutError, match=words):
        load(folder, net(5))


def test_a_folder_saved_for_another_module(folder: Path) -> None:
    words = r"was saved for another target \(Sequential\): '0\.weight' is not in Linear"
    with pytest.raises(LayoutError, match=words):
        load(folder, nn.Linear(3, 2))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_is_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        load(folder)


def test_a_folder_that_is_missing_and_one_that_is_a_file(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config.json is missing: .* holds no saved model"):
        load(folder / "nowhere")
    with pytest.raises(CheckpointError, match=r"config.json"):
        load(folder / "model.safetensors")


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_tensors(folder: Path, keep: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged or not a safetensors file"):
        load(folder)


def test_foreign_tensors(folder: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="is damaged or not a safetensors file"):
        load(folder)
    save_file({"weight": torch.zeros(3)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"is missing from the file. Was it saved by another model"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("hypernet.head.linear.bias"), r"'hypernet\.head\.linear\.bias' is missing from the file"),
        (lambda t: t.update(extra=torch.zeros(1)), "'extra' is not part of this model"),
        (
            lambda t: t.update({"hypernet.encoder.rows.0": torch.zeros(31)}),
            r"'hypernet\.encoder\.rows\.0' is \(31,\), expected \(32,\)",
        ),
        (
            lambda t: t.update({"hypernet.encoder.rows.0": torch.zeros(32, dtype=torch.int64)}),
            r"'hypernet\.encoder\.rows\.0'.*int64",
        ),
    ],
)
def test_tensors_that_do_not_fit(folder: Path, change: Callable[[dict[str, Tensor]], object], words: str) -> None:
    rewrite_tensors(folder, change)
    with pytest.raises(CheckpointError, match=words):
        load(folder)


@pytest.mark.parametrize("text", ["", "{", '{"format": 1', "\udcff", "[1, 2]", "null", "3"])
def test_a_config_that_is_damaged(folder: Path, text: str) -> None:
    (folder / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CheckpointError, match=r"config\.json.*(damaged|expected format 1, found None)"):
        load(folder)


@pytest.mark.parametrize("number", [0, 2, "1", None])
def test_another_format(folder: Path, number: object) -> None:
    rewrite(folder, lambda c: c.update(format=number))
    with pytest.raises(
        CheckpointError, match=f"expected format 1, found {number}. It needs another version of hyperdnn"
    ):
        load(folder)


def body(c: Config) -> Config:
    part: Config = c["hypernet"]["parts"]["body"]
    return part


DAMAGED: dict[str, Callable[[Config], object]] = {
    "target_missing": lambda c: c.pop("target"),
    "parts_missing": lambda c: c["hypernet"].pop("parts"),
    "part_missing": lambda c: c["hypernet"]["parts"].pop("head"),
    "class_missing": lambda c: body(c).pop("class"),
    "arguments_of_another_type": lambda c: body(c).update(arguments=[1, 2]),
    "argument_missing": lambda c: body(c)["arguments"].pop("features"),
    "argument_unknown": lambda c: body(c)["arguments"].update(code="import os"),
    "argument_of_another_type": lambda c: body(c)["arguments"].update(features="5"),
    "argument_negative": lambda c: body(c)["arguments"].update(features=-5),
    "argument_empty": lambda c: body(c)["arguments"].update(widths=[]),
    "argument_too_large": lambda c: body(c)["arguments"].update(widths=[10**15]),
    "head_of_another_width": lambda c: c["hypernet"]["parts"]["head"]["arguments"].update(hidden=9),
    "specs_of_another_type": lambda c: c["layout"].update(specs=3),
    "shape_that_the_fingerprint_denies": lambda c: c["layout"]["specs"][0].update(shape=[7, 3]),
    "spec_without_name": lambda c: c["layout"]["specs"][0].pop("name"),
    "dtype_that_is_none": lambda c: c["layout"]["specs"][0].update(dtype="floaty"),
    "dtype_that_is_a_function": lambda c: c["layout"]["specs"][0].update(dtype="save"),
    "moment_of_another_type": lambda c: c["layout"]["specs"][0].update(init_std="x"),
    "select_of_another_type": lambda c: c["target"].update(select=7),
    "select_empty": lambda c: c["target"].update(select=[]),
    "policy_unknown": lambda c: c["target"].update(buffers="os.system"),
    "rank_of_another_type": lambda c: c["target"]["combine"]["arguments"].update(rank="1"),
    "shared_of_another_type": lambda c: c.update(shared=3),
    "shared_with_nothing": lambda c: c.update(shared={"hypernet.head.linear.bias": "nowhere"}),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_config_of_wrong_values_never_shows_a_foreign_error(folder: Path, case: str) -> None:
    rewrite(folder, DAMAGED[case])
    with pytest.raises(HyperDNNError):
        load(folder)


def test_it_says_which_file_is_no_configuration(folder: Path) -> None:
    rewrite(folder, lambda c: c.pop("target"))
    with pytest.raises(CheckpointError, match=r"config\.json is not a configuration of hyperdnn: 'target' is"):
        load(folder)


@pytest.mark.parametrize(
    "name", ["os.system", "os:system", "subprocess.Popen", "torch.nn.Linear", "hyperdnn.bodies.MLP", "__import__", "nn"]
)
@pytest.mark.parametrize("role", ["encoder", "body", "head"])
def test_a_class_outside_the_list_is_refused_and_nothing_imported(folder: Path, role: str, name: str) -> None:
    load(folder)  # imports what torch needs for any load, once in a process
    rewrite(folder, lambda c: c["hypernet"]["parts"][role].update({"class": name}))
    before = set(sys.modules)
    with pytest.raises(CheckpointError, match=f"names a {role} '{name}', which hyperdnn does not have"):
        load(folder)
    assert set(sys.modules) == before


@pytest.mark.parametrize("name", ["os.system", "Target", "Policy", "__builtins__"])
def test_a_combine_outside_the_list(folder: Path, name: str) -> None:
    rewrite(folder, lambda c: c["target"].update(combine={"class": name, "arguments": {}}))
    with pytest.raises(CheckpointError, match=f"names a combine '{name}', which hyperdnn does not have"):
        load(folder)


def test_code_in_the_target_class_is_only_text(folder: Path, tmp_path: Path) -> None:
    rewrite(folder, lambda c: c["target"].update({"class": f"__import__('os').mkdir('{tmp_path}/harm')"}))
    load(folder)
    assert not (tmp_path / "harm").exists()


def test_a_part_of_ones_own_is_asked_for(tmp_path: Path) -> None:
    target = hd.Target(net())
    hypernet = hd.Hypernet(encoder=encoders.Table(3, 5), body=nn.Linear(5, 8), head=heads.FullHead(8, target.layout))
    hd.HyperDNN(target, hypernet).save_pretrained(tmp_path)
    with pytest.raises(
        ConfigError, match=r"the saved body is a Linear of your own: pass from_pretrained\(\.\.\., body=\.\.\.\)"
    ):
        load(tmp_path)
    with pytest.raises(ConfigError, match="encoder= was passed, but the saved encoder is hyperdnn's own"):
        hd.HyperDNN.from_pretrained(tmp_path, target=net(), body=nn.Linear(5, 8), encoder=encoders.Table(3, 5))
    with pytest.raises(CheckpointError, match=r"'hypernet\.body\.weight' is \(8, 5\), expected \(8, 6\)"):
        hd.HyperDNN.from_pretrained(tmp_path, target=net(), body=nn.Linear(6, 8))


def test_a_refused_folder_leaves_the_module_usable(folder: Path) -> None:
    """A mistake in the folder must not cost the user's network: another folder may follow."""
    module = net()
    rewrite(folder, lambda c: body(c).update({"class": "os.system"}))
    with pytest.raises(CheckpointError):
        load(folder, module)
    assert module(torch.randn(5, 3)).shape == (5, 2)


def test_a_config_that_has_a_name_twice_or_a_number_that_is_none(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"format": 1', '"format": 1, "format": 1'))
    with pytest.raises(CheckpointError, match=r"config\.json is damaged: 'format' stands in an object twice"):
        load(folder)
    (folder / "config.json").write_text(text.replace('"format": 1', '"format": NaN'))
    with pytest.raises(CheckpointError, match=r"config\.json is damaged: NaN is no number"):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_device_without_end_is_not_read(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        load(folder)


def test_a_config_nested_without_end(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match=r"config\.json is damaged"):
        load(folder)
    (folder / "config.json").write_text(" " * (17 * 2**20))
    with pytest.raises(CheckpointError, match=r"damaged: more than 16,777,216 bytes"):
        load(folder)


def test_a_size_that_the_tensors_deny_costs_no_memory(folder: Path) -> None:
    rewrite(folder, lambda c: body(c)["arguments"].update(widths=[10**9]))
    with pytest.raises(CheckpointError, match=r"gives MLP widths=\[1000000000\], more than .* has numbers"):
        load(folder)
    rewrite(folder, lambda c: body(c)["arguments"].update(widths=[9, 8]))
    with pytest.raises(CheckpointError, match=r"'hypernet\.body\.layers\.0\.weight' is \(8, 32\), expected \(9, 32\)"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["target"].update(train_base=1), "'train_base': expected true or false, got 1"),
        (lambda c: c["hypernet"].update(own="yes"), "'own': expected true or false, got 'yes'"),
        (lambda c: c["hypernet"].update(stream=3), "'stream': expected true or false, got 3"),
        (lambda c: c.update(frozen=["nowhere"]), "'nowhere', which it calls frozen, is not in the model"),
        (lambda c: c.update(frozen=[3]), "'frozen': expected a list of names"),
        (lambda c: c.update(shared={"x": ["y"]}), "shared with 'x', is missing"),
    ],
)
def test_what_would_pass_for_true_or_for_nothing_is_refused(
    folder: Path, change: Callable[[Config], object], words: str
) -> None:
    rewrite(folder, change)
    with pytest.raises(CheckpointError, match=words):
        load(folder)


@pytest.mark.parametrize("place", ["/dev/null/below", "/proc/below", "x" * 300, "a\0b"])
def test_a_place_that_cannot_be_written(place: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is a file, not a folder|cannot be saved into"):
        hd.HyperDNN.for_tasks(net(), 2, hidden=8).save_pretrained(tmp_path / place)
