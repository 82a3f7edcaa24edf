import json
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import compare, peers, plan, results
from hyperdnn.errors import ConfigError

ADAPTERS = Path(plan.__file__).with_name("adapters")


def _raw(**samples):
    lineup = {name: {"samples_ms": values, "note": ""} for name, values in samples.items()}
    return {"lineup": lineup, "floor": None, "hardware": None, "versions": {}}


def _workload(*limits, lineup=("functional", "hypnettorch", "hyper_nn", "hyperdnn")):
    return plan.Workload(name="W", title="Work", lineup=lineup, limits=limits)


def test_ratios_follow_the_rounds_and_not_the_medians():
    raw = _raw(functional=[10.0, 20, 40], hyperdnn=[5.0, 10, 20])
    entry = compare.summary_of(_workload(), raw)["lineup"]["hyperdnn"]
    assert entry["median_ms"] == 10
    assert entry["ratio"] == {"median": 0.5, "interval": None}
    assert entry["kind"] == "ours"


def test_a_limit_is_held_against_the_interval():
    raw = _raw(functional=[10.0] * 9, hyperdnn=[4.0, 4, 4, 4, 5, 5, 5, 6, 9])
    limit = plan.Limit(lineup="hyperdnn", at_most=0.6)
    (held,) = compare.summary_of(_workload(limit), raw)["limits"]
    assert (held["measured"], held["interval"], held["verdict"]) == (0.5, (0.4, 0.6), "reached")


def test_the_best_peer_is_the_fastest_of_other_libraries():
    raw = _raw(functional=[1.0] * 6, hypnettorch=[4.0] * 6, hyper_nn=[3.0] * 6, hyperdnn=[6.0] * 6)
    limit = plan.Limit(lineup="hyperdnn", at_most=1.0, against=plan.BEST_PEER)
    (held,) = compare.summary_of(_workload(limit), raw)["limits"]
    assert (held["against"], held["measured"], held["verdict"]) == ("hyper_nn", 2.0, "missed")


def test_who_could_not_take_part_is_said_and_not_judged():
    raw = _raw(functional=[1.0] * 6)
    raw["lineup"]["hyperdnn"] = {"absent": "no compiler"}
    limits = [plan.Limit(lineup="hyperdnn", at_most=1.0, against=against) for against in ("functional", plan.BEST_PEER)]
    summary = compare.summary_of(_workload(*limits), raw)
    assert summary["lineup"]["hyperdnn"] == {"kind": "ours", "absent": "no compiler"}
    assert [held["verdict"] for held in summary["limits"]] == ["not measured"] * 2


def test_memory_and_milliseconds_have_limits_of_their_own():
    raw = _raw(functional=[9.0], hyperdnn=[31.0])
    raw["lineup"]["hyperdnn"] |= {"peak_mb": 60.0, "weights_mb": 100.0}
    limits = [
        plan.Limit(lineup="hyperdnn", at_most=0.7, quantity="memory"),
        plan.Limit(lineup="hyperdnn", at_most=30.0, quantity="milliseconds"),
        plan.Limit(lineup="hyperdnn", at_most=0.1, quantity="import"),
    ]
    held = compare.summary_of(_workload(*limits), raw)["limits"]
    assert [limit["measured"] for limit in held] == [0.6, 31.0, 0.031]
    assert [limit["verdict"] for limit in held] == ["reached", "missed", "reached"]


def test_every_workload_names_adapters_and_limits_that_can_be_measured():
    names = [workload.name for workload in plan.WORKLOADS]
    assert len(set(names)) == len(names)
    for workload in plan.WORKLOADS:
        assert workload.baseline in workload.lineup
        for limit in workload.limits:
            assert limit.lineup in workload.lineup
            assert limit.against in {*workload.lineup, plan.BEST_PEER} or limit.quantity != "ratio"
            near_one = limit.quantity == "ratio" and limit.at_most > 0.9
            assert workload.rounds >= 9 or not near_one, f"{workload.name}: an interval needs nine rounds"


def test_every_adapter_takes_part_somewhere():
    lineups = {name for workload in plan.WORKLOADS for name in workload.lineup}
    assert {path.stem for path in ADAPTERS.glob("*.py")} <= lineups


def test_a_missing_runner_is_an_error_that_says_where_it_belongs(monkeypatch, tmp_path):
    monkeypatch.setenv("HYPERDNN_BENCH", str(tmp_path))
    with pytest.raises(ConfigError, match="Set HYPERDNN_BENCH to the folder"):
        compare.compare(tmp_path / "results.json")
    assert not list(tmp_path.iterdir())


def test_the_command_says_so_without_a_traceback(monkeypatch, tmp_path):
    monkeypatch.setenv("HYPERDNN_BENCH", str(tmp_path))
    with pytest.raises(SystemExit, match="benchmarks: the comparison's runner is not in"):
        command.main([])


def test_an_environment_that_is_not_there_is_an_error(monkeypatch, tmp_path):
    for name in ("bench.py", "common.py"):
        (tmp_path / name).touch()
    monkeypatch.setenv("HYPERDNN_BENCH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"has no Python\. Leave --peers out"):
        compare.compare(tmp_path / "results.json", environment=tmp_path)


def test_an_unknown_workload_is_an_error_before_anything_is_made(monkeypatch, tmp_path):
    for name in ("bench.py", "common.py"):
        (tmp_path / name).touch()
    monkeypatch.setenv("HYPERDNN_BENCH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"no workload W9\. There are W1"):
        compare.compare(tmp_path / "results.json", only=["W9"])


def test_new_measurements_replace_only_their_own(tmp_path):
    path = tmp_path / "results.json"
    results.update(path, {"comparison": {"machine": 1, "workloads": {"W1": 1, "W2": 1}}})
    results.update(path, {"comparison": {"machine": 2, "workloads": {"W2": 2}}, "scaling": {"curves": {"a": 1}}})
    assert results.read(path) == {
        "comparison": {"machine": 2, "workloads": {"W1": 1, "W2": 2}},
        "scaling": {"curves": {"a": 1}},
    }
    assert json.loads(path.read_text()) == results.read(path)


@pytest.fixture
def commands(tmp_path):
    made = []

    def run(command):
        made.append([str(word) for word in command])
        if "venv" in command:
            python = peers.python_of(tmp_path / "env")
            python.parent.mkdir(parents=True)
            python.touch()

    return made, run


def test_the_peers_environment_is_made_once(tmp_path, commands):
    made, run = commands
    python = peers.ensure(tmp_path / "env", run=run)
    assert python == peers.python_of(tmp_path / "env")
    assert peers.ensure(tmp_path / "env", run=run) == python
    venv, needed, others = made
    assert "venv" in venv
    assert needed[needed.index("-c") + 1].endswith("constraints.txt")
    assert "torch" in needed
    assert "--no-deps" in others
    assert {"hypnettorch==0.0.4", "hyper-nn==0.2.2", "hyperlight==0.0.5", "labml-nn==0.5.1"} <= set(others)


def test_an_interrupted_environment_is_made_again(tmp_path, commands):
    made, run = commands

    def breaks(command):
        if "--no-deps" in command:
            raise OSError("no network")
        run(command)

    with pytest.raises(OSError, match="no network"):
        peers.ensure(tmp_path / "env", run=breaks)
    peers.python_of(tmp_path / "env").unlink()
    peers.python_of(tmp_path / "env").parent.rmdir()
    peers.ensure(tmp_path / "env", run=run)
    assert sum("venv" in command for command in made) == 2
