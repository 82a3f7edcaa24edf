import json
from dataclasses import replace

import pytest
import torch

from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab import _experiment
from hyperdnn.lab._discover import configuration, load

NAME = "continual/task_conditioned"


@pytest.fixture
def config():
    config = configuration(NAME, "tiny")
    return replace(config, train=replace(config.train, iterations=3))


def _run(config, tmp_path, **options):
    return lab.run(NAME, config, folder=tmp_path / "new", **{"seeds": [0], "variants": ["hypernet"], **options})


def test_every_variant_runs_with_every_seed(config, tmp_path):
    results = _run(config, tmp_path, seeds=[3, 5], variants=["fine-tuning", "hypernet"])
    assert list(results["metrics"]) == ["hypernet", "fine-tuning"]  # the recipe's order
    for metrics in results["metrics"].values():
        assert list(metrics) == [
            "during_accuracy",
            "final_accuracy",
            "forgetting",
            "trained_parameters",
            "generated_parameters",
        ]
        assert all(len(summary["values"]) == 2 for summary in metrics.values())
    assert results["seeds"] == [3, 5]
    assert results["recipe"] == NAME
    assert results["device"] == "cpu"
    assert results["wall_time_s"] > 0
    assert results["wall_time_s"] == pytest.approx(sum(sum(s["values"]) for s in results["seconds"].values()))
    for name, seconds in results["seconds"].items():
        training = results["training_seconds"][name]["values"]
        assert all(0 < part < whole for part, whole in zip(training, seconds["values"], strict=True))
    lines = [json.loads(line) for line in (tmp_path / "new" / "metrics.jsonl").read_text().splitlines()]
    assert {(line["variant"], line["seed"]) for line in lines} == {
        (variant, seed) for variant in ("hypernet", "fine-tuning") for seed in (3, 5)
    }


def test_sizes_and_arrays_are_those_of_the_models(config, tmp_path):
    results = _run(config, tmp_path, variants=["hypernet", "fine-tuning", "multitask"])
    generated = 64 * 16 + 16 + 16 * 10 + 10
    sizes = {name: metrics["generated_parameters"]["mean"] for name, metrics in results["metrics"].items()}
    assert sizes == {"hypernet": generated, "fine-tuning": 0, "multitask": generated}
    assert results["metrics"]["fine-tuning"]["trained_parameters"]["mean"] == generated
    trained = load(NAME).build(config).count().trained
    assert results["metrics"]["hypernet"]["trained_parameters"]["mean"] == trained
    assert {name: set(arrays) for name, arrays in results["arrays"].items()} == {
        "hypernet": {"accuracy_matrix", "task_embeddings"},
        "fine-tuning": {"accuracy_matrix"},
        "multitask": {"task_embeddings"},
    }
    assert torch.tensor(results["arrays"]["hypernet"]["task_embeddings"]).shape == (2, 8)


def test_the_same_seed_gives_the_same_numbers(config, tmp_path):
    first, second = (_run(config, tmp_path / str(i), seeds=[1])["metrics"] for i in range(2))
    other = _run(config, tmp_path, seeds=[2])
    assert first == second
    assert first["hypernet"]["during_accuracy"] != other["metrics"]["hypernet"]["during_accuracy"]


def test_a_variants_changes_reach_its_step(config, tmp_path, monkeypatch):
    seen = {}
    recipe = load(NAME)

    def step(model, batch, state):
        seen.setdefault(state.config.beta, state.config.seed)
        return recipe.step(model, batch, state)

    monkeypatch.setattr(_experiment, "load", lambda name: replace(recipe, step=step))
    _run(config, tmp_path, seeds=[4], variants=["hypernet", "beta 0"])
    assert seen == {config.beta: 4, 0.0: 4}


@pytest.mark.parametrize("asked", [True, False])
def test_deterministic_training_asks_it_of_torch_and_takes_it_back(config, tmp_path, monkeypatch, asked):
    inside = []
    recipe = load(NAME)

    def step(model, batch, state):
        inside.append(torch.are_deterministic_algorithms_enabled())
        return recipe.step(model, batch, state)

    monkeypatch.setattr(_experiment, "load", lambda name: replace(recipe, step=step))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    _run(replace(config, train=replace(config.train, deterministic=asked)), tmp_path)
    assert set(inside) == {asked}
    assert not torch.are_deterministic_algorithms_enabled()


def test_claims_of_the_setting_and_of_the_variants_that_ran_are_judged(tmp_path, config, monkeypatch):
    claims = (
        lab.Claim(text="low", config="tiny", metric="hypernet/final_accuracy", at_least=0.0),
        lab.Claim(text="high", config="tiny", metric="hypernet/final_accuracy", at_least=2.0),
        lab.Claim(text="time", config="tiny", metric="hypernet/seconds", at_most=1e-9),
        lab.Claim(text="other variant", config="tiny", metric="beta 0/final_accuracy", at_least=2.0),
        lab.Claim(text="other setting", config="default", metric="hypernet/final_accuracy", at_least=2.0),
    )
    recipe = load(NAME)
    monkeypatch.setattr(_experiment, "load", lambda name: replace(recipe, claims=claims))
    tiny = configuration(NAME, "tiny")
    results = _run(tiny, tmp_path / "tiny")
    assert (results["setting"], results["reproduced"]) == ("tiny", False)
    verdicts = [(claim["text"], claim["holds"]) for claim in results["claims"]]
    assert verdicts == [("low", True), ("high", False), ("time", False)]
    assert results["claims"][2]["measured"] == results["seconds"]["hypernet"]["mean"]
    changed = _run(config, tmp_path)
    assert (changed["setting"], changed["claims"], changed["reproduced"]) == ("", [], None)


def test_results_are_what_the_report_reads(config, tmp_path):
    results = _run(config, tmp_path, variants=["hypernet", "multitask"])
    lab.report.write_json(tmp_path / "results.json", results)
    assert json.loads((tmp_path / "results.json").read_text())["arrays"]["hypernet"]["accuracy_matrix"][0][1] is None
    assert "multitask" in lab.report.table(results, width=200)
    page = lab.report.write_page(results, tmp_path, load(NAME).figures(results))
    assert "Task embeddings" in page.read_text()


def test_threads_are_given_back(config, tmp_path, monkeypatch):
    before = torch.get_num_threads()
    inside = []
    recipe = load(NAME)
    monkeypatch.setattr(
        _experiment,
        "load",
        lambda name: replace(recipe, data=lambda c: inside.append(torch.get_num_threads()) or recipe.data(c)),
    )
    results = [_run(config, tmp_path / str(threads), threads=threads) for threads in (before + 1, None)]
    assert inside == [before + 1, before] == [result["threads"] for result in results]
    assert torch.get_num_threads() == before


def test_progress_goes_to_standard_error(config, tmp_path, capsys):
    _run(config, tmp_path, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "hypernet, seed 0: 6/6" in err
    _run(config, tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variants": ["hypernett"]}, "no variant 'hypernett'. Did you mean 'hypernet'?"),
        ({"seeds": []}, "seeds: expected at least one"),
    ],
)
def test_wrong_requests_are_named(config, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        _run(config, tmp_path, **options)
    assert not (tmp_path / "new").exists()
