from hyperdnn.lab.report import markdown, refresh_readme, write_json
from hyperdnn.lab.report._readme import BEGIN, END


def _record():
    verdict = {
        "text": "keeps what it learnt",
        "metric": "hypernet/final_accuracy",
        "at_least": 0.9,
        "at_most": None,
        "measured": 0.95,
        "published": None,
        "source": "",
        "holds": True,
    }
    results = {
        "recipe": "continual/toy",
        "setting": "default",
        "config": {},
        "seeds": [0],
        "commit": None,
        "versions": {},
        "threads": 1,
        "device": "cpu",
        "wall_time_s": 1.0,
        "metrics": {"hypernet": {"final_accuracy": {"mean": 0.95, "spread": None, "values": [0.95]}}},
        "arrays": {},
        "claims": [verdict],
        "reproduced": True,
    }
    return {"recipe": "continual/toy", "experiments": [results], "reproduced": True}


def test_the_table_stands_between_the_marks(tmp_path):
    readme, results = tmp_path / "README.md", tmp_path / "results"
    (results / "continual").mkdir(parents=True)
    write_json(results / "continual" / "toy.json", _record())
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert refresh_readme(readme, results)
    text = readme.read_text()
    assert markdown([_record()]) in text
    assert "95.0" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    refresh_readme(readme, results)
    assert readme.read_text() == text, "a second time changes nothing"


def test_a_page_without_marks_is_left_alone(tmp_path):
    readme = tmp_path / "README.md"
    assert not refresh_readme(readme, tmp_path)
    readme.write_text("mine")
    assert not refresh_readme(readme, tmp_path)
    assert readme.read_text() == "mine"
