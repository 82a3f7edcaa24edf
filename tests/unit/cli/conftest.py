import shutil
from pathlib import Path

import pytest

from hyperdnn import lab
from hyperdnn.lab import _discover
from hyperdnn.lab._discover import load, setting_of

TOY = Path(__file__).parents[1] / "lab" / "toy_recipe.py"


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A package of one recipe, toys/bear, in two settings; the working folder is empty."""
    for folder in ("recipes", "configs"):
        monkeypatch.setattr(_discover, folder.upper(), tmp_path / folder)
        (tmp_path / folder / "toys").mkdir(parents=True)
    shutil.copy(TOY, tmp_path / "recipes" / "toys" / "bear.py")
    (tmp_path / "configs" / "toys" / "bear.yaml").write_text("beta: 0.5\n")
    (tmp_path / "configs" / "toys" / "bear.tiny.yaml").write_text("train: {iterations: 1}\n")
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def calls(monkeypatch):
    """Replaces `lab.run` by one that trains nothing; the list holds the arguments of each call."""
    made = []

    def run(recipe_name, config, *, folder, seeds, variants, progress, resume, track, clients):
        made.append(
            {
                "name": recipe_name,
                "config": config,
                "folder": folder,
                "seeds": list(seeds),
                "variants": variants,
                "progress": progress,
                "resume": resume,
                "track": track,
                "clients": clients,
            }
        )
        setting = setting_of(recipe_name, config)
        metrics = {
            variant: {"final_accuracy": lab.report.summarise([0.75] * len(seeds))}
            for variant in variants or load(recipe_name).variants
        }
        claims = [claim for claim in load(recipe_name).claims if setting in claim.settings]
        verdicts, reproduced = lab.report.judge(claims, metrics)
        return {
            **lab.report.environment(),
            "recipe": recipe_name,
            "setting": setting or "",
            "config": lab.config.to_mapping(config),
            "seeds": list(seeds),
            "wall_time_s": 0.1,
            "metrics": metrics,
            "arrays": {},
            "claims": verdicts,
            "reproduced": reproduced,
        }

    monkeypatch.setitem(vars(lab), "run", run)  # the real one need not be imported to be replaced
    return made
