import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.report import read_json, write_json


@dataclasses.dataclass
class Setting:
    lr: float
    sizes: tuple[int, ...]


def test_values_survive_the_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "results.json"
    write_json(file, {"a": [1, 2.5, None], "b": {"c": True, "d": 'quotes " and [ 1, 2 ]'}, "e": []})
    assert read_json(file) == {"a": [1, 2.5, None], "b": {"c": True, "d": 'quotes " and [ 1, 2 ]'}, "e": []}


def test_other_types_become_json_s_own(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    value = {"t": torch.tensor([[1.0, math.nan]]), "s": Setting(lr=math.inf, sizes=(3, 4)), "p": tmp_path, 5: "key"}
    write_json(file, value)
    assert read_json(file) == {
        "t": [[1.0, None]],
        "s": {"lr": None, "sizes": [3, 4]},
        "p": str(tmp_path),
        "5": "key",
    }


def test_a_row_of_numbers_takes_one_line(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    write_json(file, {"matrix": [[1, None], [0.5, 2]]})
    assert file.read_text().splitlines()[2:4] == ["    [1, null],", "    [0.5, 2]"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    write_json(file, [1])
    with pytest.raises(TypeError):
        write_json(file, {"bad": object()})
    assert read_json(file) == [1]
    assert list(tmp_path.iterdir()) == [file]


def test_an_interrupted_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_json(tmp_path / "results.json", [1])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b'{"half": ', b"\xff\xfe\x00"])
def test_a_broken_file_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"results\.json: expected JSON"):
        read_json(file)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"results\.json: no such file"):
        read_json(tmp_path / "results.json")


def test_numbers_are_plain_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": -math.inf})
    assert json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail) == {"x": None}
