import builtins
import json
import sys
from dataclasses import fields

import pytest

from hyperdnn.cli import _plan, main
from hyperdnn.planning import Needs, _cost

NET = """
from torch import nn

def make():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))

def empty():
    return nn.ReLU()
"""
ANSWERS = [word for name in _plan._QUESTIONS for word in (f"--{name.replace('_', '-')}", "yes")]


@pytest.fixture(autouse=True)
def _net(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_cost, "time_to_generate", lambda *_: (0.5, True))


@pytest.fixture
def terminal(monkeypatch):
    """Makes a terminal of the streams, with somebody who gives these answers and then leaves."""

    def sit_down(*answers: str) -> list[str]:
        asked: list[str] = []
        waiting = iter(answers)

        def reply(question: str) -> str:
            asked.append(question)
            try:
                return next(waiting)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr(builtins, "input", reply)
        for stream in (sys.stdin, sys.stdout):
            monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
        return asked

    return sit_down


def _json(capsys, *arguments: str) -> dict:
    assert main(["plan", "net.py:make", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_page(capsys):
    assert main(["plan", "net.py:make"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Sequential: 195 weights in 2 layers, 10 contexts, hidden 64\n")
    assert "Recommended: separate networks" in text
    assert "Open questions" in text


def test_options_reach_the_plan(capsys):
    data = _json(
        capsys, "--contexts", "3", "--budget", "9000", "--hidden", "32", "--select", "0.*", "--select", "2.bias"
    )
    assert (data["contexts"], data["budget"], data["hidden"], data["weights"]) == (3, 9000, 32, 147)


def test_answers_reach_the_plan(capsys):
    assert set(_json(capsys)["needs"].values()) == {None}
    data = _json(capsys, *ANSWERS[:-1], "no")
    assert list(data["needs"].values()) == [True, True, True, True, False]
    assert data["questions"] == []


def test_every_question_is_an_option():
    assert tuple(field.name for field in fields(Needs)) == tuple(_plan._QUESTIONS)


def test_a_terminal_is_asked_what_is_open(capsys, terminal):
    asked = terminal("perhaps", " Y ", "no", "", "n")
    assert main(["plan", "net.py:make", "--uncertainty", "no"]) == 0
    assert [question.partition("?")[0] for question in asked[:2]] == [asked[0].partition("?")[0]] * 2  # asked again
    assert len(asked) == 5
    text = capsys.readouterr().out
    assert "  dynamic_architecture: " in text
    for name in ("related", "data_adaptive", "parameter_efficiency", "uncertainty"):
        assert f"  {name}: " not in text


def test_who_leaves_is_asked_no_more(capsys, terminal):
    asked = terminal("y")
    assert main(["plan", "net.py:make"]) == 0
    assert len(asked) == 2
    text = capsys.readouterr().out
    assert "  related: " not in text
    assert "  uncertainty: " in text


@pytest.mark.parametrize("arguments", [["--json"], ANSWERS])
def test_nothing_is_asked_for_data_or_when_all_is_answered(arguments, terminal):
    asked = terminal("y")
    assert main(["plan", "net.py:make", *arguments]) == 0
    assert asked == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["net:make", "--contexts", "0"], 2, "expected a whole number from 1, got '0'"),
        (["net:make", "--related", "maybe"], 2, "invalid choice: 'maybe'"),
        (["net:make", "--buget", "3"], 2, "hyperdnn: plan: unexpected '--buget'. Did you mean '--budget'?\n"),
        (["nt.py:make"], 2, "hyperdnn: no file 'nt.py'.\n"),
        (["net.py:mak"], 2, "hyperdnn: 'net.py' has no 'mak'. Did you mean 'make'?\n"),
        ([], 2, "the following arguments are required: MODULE:FACTORY"),
        (["net.py:empty"], 1, "hyperdnn: ReLU has no parameters"),
        (["net.py:make", "--select", "3.*"], 2, "hyperdnn: select='3.*' matches no parameter."),
    ],
)
def test_mistakes_are_one_message(arguments, code, message, capsys):
    assert main(["plan", *arguments]) == code
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
