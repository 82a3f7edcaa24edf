import sys

import pytest

from hyperdnn.errors import GeneratorWarning
from hyperdnn.lab.train._progress import Bar, Lines, Quiet, _speed, visible


def _run(progress, iterations=3):
    progress.start("beta 0, seed 7", iterations)
    for _ in range(iterations):
        progress.advance()
    progress.show("accuracy 0.95")
    progress.stop()


@pytest.mark.parametrize(("terminal", "kind"), [(True, Bar), (False, Lines)])
def test_a_terminal_gets_a_bar_and_a_file_gets_lines(monkeypatch, terminal, kind):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert isinstance(visible(), kind)


def test_lines_end_with_what_was_measured(capsys):
    _run(Lines())
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert out == ""
    assert line.startswith("beta 0, seed 7: 3/3, ")
    assert line.endswith(" it/s, accuracy 0.95")


def test_lines_come_when_it_is_time(capsys):
    progress = Lines(seconds=0.0)
    progress.start("toy", 2)
    progress.advance()
    line = capsys.readouterr().err
    assert line.startswith("toy: 1/2, ")
    assert " s left" in line


def test_what_is_shown_is_a_line_when_it_is_time(capsys):
    progress = Lines(seconds=0.0)
    progress.show("before it begins")
    progress.start("toy", 2)
    progress.show("trial 0 at 50 %")
    assert capsys.readouterr().err == "toy: 0/2, 0 it/s, trial 0 at 50 %\n"


@pytest.mark.parametrize(
    ("rate", "words"), [(0.0, "0 it/s"), (0.02, "50.0 s/it"), (1.0, "1 it/s"), (12345.6, "12,346 it/s")]
)
def test_slow_iterations_are_counted_in_seconds(rate, words):
    assert _speed(rate) == words


def test_a_bar_shows_all_it_was_told(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    _run(Bar())
    out, err = capsys.readouterr()
    assert out == ""
    for told in ("beta 0, seed 7", "3/3", "accuracy 0.95"):
        assert told in err


def test_a_bar_knows_the_rate_of_what_takes_minutes(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    bar, clock = Bar(), [0.0]
    bar.start("tuning", 4)
    monkeypatch.setattr(bar.bar, "get_time", lambda: clock[0])
    for clock[0] in (90.0, 180.0, 270.0):
        bar.advance()
    bar.stop()
    assert "90.0 s/it" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [Bar, Lines])
def test_what_never_began_ends_in_silence(kind, capsys):
    kind().stop()
    assert capsys.readouterr() == ("", "")


def test_a_warning_is_a_line_at_once(capsys):
    progress = Lines()
    progress.start("toy", 2)
    progress.warn("step 5 of task 0: the generator is dead")
    assert capsys.readouterr().err == "toy: warning: step 5 of task 0: the generator is dead\n"


def test_a_warning_stands_above_the_bar(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    bar = Bar()
    bar.start("toy", 2)
    bar.warn("the generator is dead: body[0] [bold]")
    bar.stop()
    assert "toy: warning: the generator is dead: body[0] [bold]\n" in capsys.readouterr().err


def test_where_nobody_watches_a_warning_is_pythons():
    with pytest.warns(GeneratorWarning, match=r"^the generator is dead$"):
        Quiet().warn("the generator is dead")


def test_quiet_writes_nothing(capsys):
    _run(Quiet())
    assert capsys.readouterr() == ("", "")
