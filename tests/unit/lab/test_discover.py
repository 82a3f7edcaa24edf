import shutil
from pathlib import Path

import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab import _discover

TOY = Path(__file__).with_name("toy_recipe.py")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder of recipes and one of configurations, in place of the package's."""
    recipes, configs = tmp_path / "recipes", tmp_path / "configs"
    monkeypatch.setattr(_discover, "RECIPES", recipes)
    monkeypatch.setattr(_discover, "CONFIGS", configs)
    for folder in (recipes / "toys", configs / "toys"):
        folder.mkdir(parents=True)
    shutil.copy(TOY, recipes / "toys" / "bear.py")
    (recipes / "toys" / "__init__.py").write_text('"""Toys."""\n')
    (recipes / "toys" / "_shared.py").write_text("RECIPE = None\n")
    (recipes / "toys" / "notes.py").write_text("x = 1\n")
    (configs / "toys" / "bear.yaml").write_text("beta: 0.5\n")
    (configs / "toys" / "bear.tiny.yaml").write_text("train: {iterations: 1}\n")
    (configs / "toys" / "bearded.yaml").write_text("beta: 9\n")
    return tmp_path


def test_every_file_with_a_recipe_is_found_and_no_other(tree):
    assert [recipe.name for recipe in _discover.discover()] == ["toys/bear"]


def test_declarations_are_read_without_running_the_file(tree):
    path = tree / "recipes" / "toys" / "bear.py"
    path.write_text(path.read_text() + '\nraise RuntimeError("run")\n')
    recipe = _discover.find("toys/bear")
    assert recipe.summary == "learns nothing"
    assert recipe.reference.year == 1999
    assert [claim.config for claim in recipe.claims] == ["default", "tiny"]
    assert recipe.text.endswith("It learns nothing.")


def test_settings_come_with_type_default_and_comment(tree):
    settings = {s.name: s for s in _discover.find("toys/bear").settings}
    assert list(settings) == ["seed", "beta", "hidden", "source", "train"]
    beta = settings["beta"]
    assert (beta.type, beta.default, beta.comment) == ("float", "0.01", "strength of the penalty")
    assert settings["train"].default == "Train(iterations=50)"


def test_a_comment_is_found_after_any_text(tree):
    path = tree / "recipes" / "toys" / "bear.py"
    path.write_text(path.read_text(encoding="utf-8").replace('"digits"', '"Zürich"  # a city'), encoding="utf-8")
    assert {s.name: s.comment for s in _discover.find("toys/bear").settings}["source"] == "a city"


def test_a_misspelt_name_gets_advice(tree):
    with pytest.raises(ConfigError, match=r"no recipe 'toys/beer'. Did you mean 'toys/bear'\?"):
        _discover.find("toys/beer")


def test_a_recipe_loads(tree):
    assert list(_discover.load("toys/bear").variants) == ["hypernet", "fine-tuning"]


def test_configurations_are_found_by_setting(tree):
    assert list(_discover.configs(_discover.find("toys/bear"))) == ["default", "tiny"]
    assert _discover.configuration("toys/bear").beta == 0.5
    assert _discover.configuration("toys/bear", "tiny").train.iterations == 1
    with pytest.raises(ConfigError, match=r"no setting 'tinny'. Did you mean 'tiny'\?"):
        _discover.configuration("toys/bear", "tinny")


def test_a_configuration_knows_its_setting_until_it_is_changed(tree):
    from hyperdnn.lab.config import override

    tiny = _discover.configuration("toys/bear", "tiny")
    assert _discover.setting_of("toys/bear", tiny) == "tiny"
    assert _discover.setting_of("toys/bear", override(tiny, {"beta": 3.0})) is None


def test_a_users_own_file_is_a_recipe_with_the_configurations_beside_it(tmp_path, monkeypatch):
    shutil.copy(TOY, tmp_path / "mine.py")
    (tmp_path / "mine.tiny.yaml").write_text("beta: 0.25\n")
    monkeypatch.chdir(tmp_path)
    assert _discover.find("./mine.py").name == "mine"
    assert _discover.configuration("./mine.py", "tiny").beta == 0.25
    assert _discover.configuration("./mine.py").beta == 0.01  # no default file: the dataclass's own
    assert _discover.setting_of("./mine.py", _discover.configuration("./mine.py")) == "default"
    with pytest.raises(ConfigError, match=r"\./other\.py: no such file"):
        _discover.find("./other.py")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('summary="learns nothing"', 'summary="a" + str(1)', "expected a literal"),
        ("year=1999", "year=YEAR", "expected a literal, got YEAR"),
        ("year=1999", "year=1999, pages=3", "unexpected keyword argument 'pages'"),
        ("at_most=10", "published=1.0", "nothing to compare with"),
        ("    config=Config,\n", "", "RECIPE has no config"),
        ("RECIPE = lab", "OTHER = lab", "no recipe in it"),
        ("RECIPE = lab", "RECIPE = = lab", "invalid syntax"),
        ('summary="learns nothing"', "summary=3", "expected text as the summary, got 3"),
        ('summary="learns nothing"', "summary={[]: 1}", "expected a literal, got {[]: 1}"),
        ('summary="learns nothing"', f"summary={'-' * 2000}1", "expected a literal, got something nested too deep"),
        ('summary="learns nothing"', f"summary={'(' * 500}{')' * 500}", "too many nested parentheses"),
        ("RECIPE = lab", "\0RECIPE = lab", "source code string cannot contain null bytes"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_file(tmp_path, old, new, message):
    source = TOY.read_text()
    assert old in source
    path = tmp_path / "mine.py"
    path.write_text(source.replace(old, new))
    with pytest.raises(ConfigError) as error:
        _discover.find(str(path))
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_a_file_whose_recipe_is_none_is_named(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(TOY.read_text() + "\nRECIPE = 3\n")
    with pytest.raises(ConfigError, match=r"expected RECIPE = lab.Recipe\(...\), got int"):
        _discover.load(str(path))
