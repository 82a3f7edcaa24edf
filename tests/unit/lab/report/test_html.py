import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hyperdnn.lab.report import Figure, Results, continual_figures, summarise, write_page


class Strict(HTMLParser):
    """Collects text and addresses; fails on tags that are not closed."""

    VOID = frozenset({"meta", "img", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1] != "style":
            self.words.append(" ".join(data.split()))


def parse(path: Path) -> Strict:
    page = Strict()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.open == []
    return page


def test_says_everything_about_the_experiment(results: Results, tmp_path: Path) -> None:
    path = write_page(results, tmp_path / "new", continual_figures(results))
    assert path == tmp_path / "new" / "report.html"
    words = parse(path).words
    expected = {
        "✗ not reproduced",
        "2 variants, trained over 2 seeds in 62 s. Of 3 claims of the publication, 2 held.",
        "95.10 ± 0.14",
        "accuracy at the end (%)",
        "✓ holds",
        "✗ does not hold",
        "95.05 (table 1)",
        "≥ 94.00",
        "train.lr",
        "0.001",
        "lookahead",
        "yes",
        "2.13.0",
        "Task embeddings: hypernet",
        "hyperdnn reproduce continual/task_conditioned --setting permuted_digits --seeds 2",
    }
    assert expected <= set(words)


def test_refers_to_nothing_outside(results: Results, tmp_path: Path) -> None:
    addresses = parse(write_page(results, tmp_path, continual_figures(results))).addresses
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)


def test_names_cannot_become_markup(results: Results, tmp_path: Path) -> None:
    odd = "<script>alert('1')</script>"
    results["metrics"] = {odd: results["metrics"]["hypernet"]}
    results["arrays"] = {odd: results["arrays"]["hypernet"]}
    path = write_page({**results, "recipe": odd, "setting": odd, "summary": odd}, tmp_path, continual_figures(results))
    assert "<script" not in path.read_text()
    parse(path)


def test_one_seed_and_missing_numbers(results: Results, tmp_path: Path) -> None:
    results["metrics"] = {"hypernet": {"final_accuracy": summarise([0.5])}, "plain": {"loss": summarise([math.nan])}}
    results["claims"][0]["measured"] = None
    words = parse(write_page({**results, "seeds": [3]}, tmp_path)).words
    assert "2 variants, trained with seed 3 in 62 s. Of 3 claims of the publication, 2 held." in words
    assert "50.00" in words
    assert "not measured" in words
    assert not any(re.search(r"\bnan\b|None", word) for word in words)


def test_empty_results_are_no_error(results: Results, tmp_path: Path) -> None:
    bare = {**results, "metrics": {}, "arrays": {}, "claims": [], "config": {}, "reproduced": None, "seeds": []}
    words = parse(write_page(bare, tmp_path)).words
    assert "No metrics were recorded." in words
    assert not {"✓ reproduced", "✗ not reproduced", "Figures", "Configuration"} & set(words)


def test_pictures_are_held_in_the_page(results: Results, tmp_path: Path) -> None:
    figure = Figure(title="Photo", caption="", alt='a "photo"', image=b"\x89PNG")
    page = parse(write_page(results, tmp_path, [figure]))
    assert page.addresses == ["data:image/png;base64,iVBORw=="]
    assert 'alt="a &#34;photo&#34;"' in (tmp_path / "report.html").read_text()


def test_identifiers_differ_between_figures(results: Results, tmp_path: Path) -> None:
    figures = continual_figures(results)
    text = write_page(results, tmp_path, [*figures, *figures]).read_text()
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    referred = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    assert referred
    assert referred <= set(ids)


def test_the_caller_may_name_the_command(results: Results, tmp_path: Path) -> None:
    assert "make table" in parse(write_page(results, tmp_path, made_by="make table")).words


@pytest.mark.parametrize(("seconds", "text"), [(5.4, "5 s"), (754.0, "13 min"), (7530.0, "2 h 6 min")])
def test_durations_read_well(seconds: float, text: str, results: Results, tmp_path: Path) -> None:
    assert text in parse(write_page({**results, "wall_time_s": seconds}, tmp_path)).words


def test_commit_is_shortened_and_keeps_its_state(results: Results, tmp_path: Path) -> None:
    words = parse(write_page({**results, "commit": f"{'ab' * 20}-dirty"}, tmp_path)).words
    assert "abababababab-dirty" in words


@pytest.mark.parametrize(("against", "text"), [("minus", "minus plain"), ("over", "over plain")])
def test_a_claim_about_two_numbers_says_so(against: str, text: str, results: Results, tmp_path: Path) -> None:
    results["claims"][0][against] = "plain/final_accuracy"
    page = write_page(results, tmp_path).read_text(encoding="utf-8")
    assert f"{text}: accuracy at the end (%)" in page


def test_a_claim_about_several_settings_says_so(results: Results, tmp_path: Path) -> None:
    results["claims"][0] |= {"settings": ["default", "small", "large"], "hold": 2}
    assert "in 2 of 3 settings" in " ".join(parse(write_page(results, tmp_path)).words)
