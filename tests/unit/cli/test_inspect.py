import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from hyperdnn import lab
from hyperdnn.cli import main
from hyperdnn.lab._discover import load

from ... import known

NAME = "continual/task_conditioned"


@pytest.fixture
def loaded(monkeypatch):
    """Makes `lab.trained` load a model of which everything is known."""

    def load_it(model, *, data=True):
        recipe = replace(load(NAME), view=lambda model, _: known.view(model, data=data), data=lambda config: None)
        made = lab.Trained(
            name=NAME,
            recipe=recipe,
            variant="hypernet",
            config=SimpleNamespace(seed=3),
            model=model,
            step=1234,
            finished=False,
        )
        monkeypatch.setattr(lab, "trained", lambda folder, variant, seed: made)

    return load_it


def test_it_writes_a_page_and_says_what_was_found(task_run, capsys):
    capsys.readouterr()
    assert main(["inspect", str(task_run)]) == 0
    out = capsys.readouterr().out
    page = (task_run / "inspect.html").read_text(encoding="utf-8")
    assert out.endswith(f"Page  {task_run / 'inspect.html'}\n")
    assert "Between 2 contexts the 1,210 generated numbers differ by" in out
    assert "Between 2 contexts the 1,210 generated numbers differ by" in page
    assert f"hyperdnn inspect {task_run}" in page
    assert (task_run / "report.html").is_file()


def test_numbers_come_as_json_alone(loaded, tmp_path, capsys):
    loaded(known.model())
    assert main(["inspect", str(tmp_path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["contexts"] == 6
    assert len(data["statistics"]["tensors"]) == 4
    assert data["distances"]["correlation"] > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"adapts": ""}, "The generator has collapsed: all 6 contexts get the same weights."),
        ({"adapts": "2.*"}, "'0.weight' and '0.bias' ignore the context: the same for all."),
        ({"idle": (1,)}, "'right'"),
    ],
)
def test_the_truth_stands_on_the_page_and_on_the_terminal(loaded, tmp_path, capsys, model, said):
    loaded(known.model(**model))
    assert main(["inspect", str(tmp_path)]) == 0
    page = (tmp_path / "inspect.html").read_text(encoding="utf-8").replace("&#39;", "'")
    assert said in capsys.readouterr().out
    assert said in page
    assert "1,234 (training has not ended)" in page


def test_without_data_it_says_so(loaded, tmp_path):
    loaded(known.model(), data=False)
    assert main(["inspect", str(tmp_path), "--map", "tsne"]) == 0
    page = (tmp_path / "inspect.html").read_text(encoding="utf-8")
    assert "What the networks do is left out" in page
    assert "t-SNE" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--variant", "hypernett"], "holds no variant 'hypernett'. Did you mean 'hypernet'?"),
        (["--variant", "fine-tuning"], "without a HyperDNN in it"),
        (["--seed", "9"], "holds no seed 9: it has 0"),
        (["--map", "umap"], "invalid choice: 'umap'"),
        (["--nap", "pca"], "unexpected '--nap'. Did you mean '--map'?"),
    ],
)
def test_wrong_usage_is_told_apart_from_failure(task_run, capsys, words, said):
    assert main(["inspect", str(task_run), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_without_a_run(tmp_path, capsys):
    assert main(["inspect", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err
