import json

from hyperdnn.cli import main


def test_list_prints_a_line_for_each_recipe(toys, capsys):
    assert main(["list"]) == 0
    assert capsys.readouterr().out == "toys/bear  learns nothing (Toymaker et al., Journal of Toys 1999)\n"


def test_list_as_json(toys, capsys):
    assert main(["list", "--json"]) == 0
    (recipe,) = json.loads(capsys.readouterr().out)
    assert recipe["name"] == "toys/bear"
    assert recipe["configurations"] == ["default", "tiny"]
    assert recipe["claims"][0]["published"] == 97.5


def test_show_prints_publication_claims_settings_and_commands(toys, capsys):
    assert main(["show", "toys/bear"]) == 0
    text = capsys.readouterr().out
    assert 'Toymaker, Friend & Child, "Toys", Journal of Toys 1999' in text
    assert "hypernet/final_accuracy at least 0.5 in setting default; published: 97.5 (table 1)" in text
    assert "hypernet/trained_parameters at most 10 in setting tiny\n" in text
    assert "float = 0.01" in text
    assert "strength of the penalty" in text
    assert text.endswith("  hyperdnn run toys/bear\n  hyperdnn run toys/bear --setting tiny\n")


def test_show_as_json(toys, capsys):
    assert main(["show", "toys/bear", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["settings"][1] == {
        "name": "beta",
        "type": "float",
        "default": "0.01",
        "comment": "strength of the penalty",
    }


def test_a_misspelt_recipe_gets_advice(toys, capsys):
    for command in ("show", "copy", "run", "reproduce"):
        assert main([command, "toys/beer"]) == 2
        assert "no recipe 'toys/beer'. Did you mean 'toys/bear'?" in capsys.readouterr().err


def test_copy_takes_the_recipe_and_its_configurations_home(toys, capsys):
    assert main(["copy", "toys/bear"]) == 0
    assert sorted(p.name for p in toys.iterdir()) == ["bear.py", "bear.tiny.yaml", "bear.yaml"]
    assert "hyperdnn run ./bear.py" in capsys.readouterr().out


def test_copy_renames_the_configurations_with_the_file(toys):
    assert main(["copy", "toys/bear", "new/mine.py"]) == 0
    assert sorted(p.name for p in (toys / "new").iterdir()) == ["mine.py", "mine.tiny.yaml", "mine.yaml"]


def test_copy_overwrites_nothing(toys, capsys):
    (toys / "bear.tiny.yaml").write_text("mine")
    assert main(["copy", "toys/bear"]) == 2
    assert "bear.tiny.yaml exists already" in capsys.readouterr().err
    assert [p.name for p in toys.iterdir()] == ["bear.tiny.yaml"]
    assert (toys / "bear.tiny.yaml").read_text() == "mine"
