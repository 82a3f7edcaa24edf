import webbrowser
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from hyperdnn import explore, lab
from hyperdnn.cli import _explore, main
from hyperdnn.errors import ConfigError


class _Trained:
    name, variant, step, finished = "toys/bear", "hypernet", 3, True

    def view(self):
        return "the view"


@pytest.fixture
def served(monkeypatch):
    """Replaces loading, serving and waiting; what was served, and the address that was opened."""
    made = {}

    @contextmanager
    def serve(view, *, title, port):
        made.update(view=view, title=title, port=port)
        try:
            yield "http://127.0.0.1:1234/"
        finally:
            made["ended"] = True

    def interrupted():
        raise KeyboardInterrupt

    def trained(folder, *, variant, seed):
        made.update(folder=str(folder), variant=variant, seed=seed)
        return _Trained()

    monkeypatch.setattr(lab, "trained", trained)
    monkeypatch.setattr(explore, "serve", serve)
    # Of the command's own alone: other threads of the process wait for events too.
    waiting = SimpleNamespace(Event=lambda: SimpleNamespace(wait=interrupted))
    monkeypatch.setattr(_explore, "threading", waiting)
    monkeypatch.setattr(webbrowser, "open", lambda address: made.update(opened=address))
    return made


def test_it_serves_until_it_is_interrupted(served, capsys):
    assert main(["explore", "runs/x", "--variant", "beta 0", "--seed", "2", "--port", "1234"]) == 0
    assert served == {
        "folder": "runs/x",
        "variant": "beta 0",
        "seed": 2,
        "view": "the view",
        "title": "toys/bear, hypernet",
        "port": 1234,
        "opened": "http://127.0.0.1:1234/",
        "ended": True,
    }
    printed = capsys.readouterr()
    assert "http://127.0.0.1:1234/" in printed.out
    assert printed.err == ""


def test_the_address_is_printed_where_no_browser_is_wanted(served, capsys):
    assert main(["explore", "runs/x", "--no-browser"]) == 0
    assert "opened" not in served
    assert served["port"] is None
    assert "http://127.0.0.1:1234/" in capsys.readouterr().out


def test_a_model_in_the_middle_of_its_training_is_said(served, capsys, monkeypatch):
    monkeypatch.setattr(_Trained, "finished", False)
    assert main(["explore", "runs/x", "--no-browser"]) == 0
    assert "3 steps only" in capsys.readouterr().err


def test_what_cannot_be_served_is_wrong_usage(served, capsys, monkeypatch):
    @contextmanager
    def busy(view, *, title, port):
        raise ConfigError("port 80 cannot be used")
        yield

    monkeypatch.setattr(explore, "serve", busy)
    assert main(["explore", "runs/x", "--port", "80"]) == 2
    assert capsys.readouterr().err == "hyperdnn: port 80 cannot be used\n"


def test_a_folder_without_a_run_is_wrong_usage(tmp_path, capsys):
    assert main(["explore", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "99999999"])
def test_a_port_is_a_number(port, capsys):
    assert main(["explore", "runs/x", f"--port={port}"]) == 2
    assert "from 1 to 65535" in capsys.readouterr().err
