import warnings

import pytest

import hyperdnn
from hyperdnn.cli import _doctor, main
from hyperdnn.errors import CheckpointWarning, LayoutError


def _raising(error: BaseException):
    def examine():
        raise error

    return examine


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command(arguments, capsys):
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for command in ("demo", "list", "show", "run", "copy", "reproduce", "plan", "doctor"):
        assert f"\n    {command}" in text


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hyperdnn {hyperdnn.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lst"], "hyperdnn: no command 'lst'. Did you mean 'list'?\n"),
        (["list", "--jsn"], "hyperdnn: list: unexpected '--jsn'. Did you mean '--json'?\n"),
        (["--json", "list"], "hyperdnn: '--json' stands before the command."),
        (["show"], "the following arguments are required: NAME"),
        (["reproduce"], "one of the arguments NAME --all is required"),
        (["reproduce", "--all", "--seeds", "0"], "expected a whole number from 1, got '0'"),
        (["run", "continual/task_conditioned", "--seed=--"], "'--seed=--': -- is no value"),
        (["doctor", "--config=--"], "'--config=--': -- is no value"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_2(arguments, message, capsys):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("error", [LayoutError("'w': expected (3,), got (1,)."), OSError("disk full")])
def test_a_failure_is_one_message_and_exit_1(error, capsys, monkeypatch):
    monkeypatch.setattr(_doctor, "examine", _raising(error))
    assert main(["doctor"]) == 1
    assert capsys.readouterr().err == f"hyperdnn: {error}\n"


def test_an_interruption_is_exit_130(capsys, monkeypatch):
    monkeypatch.setattr(_doctor, "examine", _raising(KeyboardInterrupt()))
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "hyperdnn: interrupted\n"


def test_an_interruption_of_several_is_said_once(capsys, monkeypatch):
    monkeypatch.setattr(_doctor, "examine", _raising(KeyboardInterrupt()))
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == ""


def test_warnings_of_this_library_are_one_line_each(capsys, monkeypatch):
    def examine():
        for category in (CheckpointWarning, UserWarning):
            warnings.warn(f"a {category.__name__}", category, stacklevel=2)
        raise LayoutError("the end")

    monkeypatch.setattr(_doctor, "examine", examine)
    with pytest.warns(UserWarning, match="a UserWarning") as others:  # which goes its way
        assert main(["doctor"]) == 1
    assert len(others) == 1
    assert capsys.readouterr().err == "hyperdnn: warning: a CheckpointWarning\nhyperdnn: the end\n"


def test_a_bug_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(_doctor, "examine", _raising(RuntimeError("bug")))
    with pytest.raises(RuntimeError, match="bug"):
        main(["doctor"])
