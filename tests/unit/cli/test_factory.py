import sys
from pathlib import Path

import pytest
from torch import nn

from hyperdnn.cli._factory import make_network
from hyperdnn.cli._usage import UsageError
from hyperdnn.errors import ConfigError

NETS = """
import sys
from torch import nn

print("a word")

def make():
    print("another")
    return nn.Linear(3, 2)

def optional(a=4, *rest, **more):
    return nn.Linear(a, 2)

def wants(a, b, c=1, *, d):
    return nn.Linear(a, b)

class Net(nn.Module):
    pass

def fails():
    raise RuntimeError("first line\\nsecond")

def leaves():
    sys.exit("enough")

def silent():
    raise ValueError

network = nn.Linear(5, 2)
seven = 7

def other():
    return seven
"""


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """The working folder holds planned_nets.py, the same in planned_package, and broken modules."""
    (tmp_path / "planned_package").mkdir()
    (tmp_path / "planned_package" / "__init__.py").write_text("")
    for folder in (tmp_path, tmp_path / "planned_package"):
        (folder / "planned_nets.py").write_text(NETS)
    (tmp_path / "planned_bad.py").write_text("import a_module_that_nobody_has")
    (tmp_path / "planned_worse.py").write_text("def f(:")
    (tmp_path / "planned_friend.py").write_text("from planned_nets import make")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(("planned_", "_planned_"))]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "place",
    ["planned_nets", "planned_package.planned_nets", "planned_nets.py", "./planned_nets.py", "planned_friend.py"],
)
def test_a_module_or_a_file(place):
    assert make_network(f"{place}:make").in_features == 3


def test_a_file_elsewhere_finds_its_neighbours(files, monkeypatch):
    path = files / "planned_friend.py"
    (files / "empty").mkdir()
    monkeypatch.chdir(files / "empty")
    assert make_network(f"{path}:make").in_features == 3


def test_a_class_a_finished_network_and_a_function_whose_arguments_have_defaults():
    assert type(make_network("planned_nets:Net")).__name__ == "Net"
    assert make_network("planned_nets:network").in_features == 5
    assert make_network("planned_nets:optional").in_features == 4
    assert isinstance(make_network("torch.nn:Identity"), nn.Identity)


def test_what_the_users_code_prints_is_no_output(capsys):
    make_network("planned_nets:make")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "a word\nanother\n")


def test_the_search_path_is_left_as_it_was(files):
    before = list(sys.path)
    make_network("planned_nets:make")
    make_network("planned_friend.py:make")
    with pytest.raises(ConfigError):
        make_network("planned_bad:make")
    assert sys.path == before


@pytest.mark.parametrize("name", ["planned_nets", ":make", "planned_nets:", "", "..planned_nets:make"])
def test_what_is_no_name(name):
    with pytest.raises(
        UsageError, match=r"expected module:factory or path/to/file\.py:factory, such as models\.cnn:make"
    ):
        make_network(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("planned_mets:make", r"no module 'planned_mets'\. For a file write its path"),
        ("planned_package.nets:make", r"no module 'planned_package\.nets'"),
        ("planned_mets.py:make", r"no file 'planned_mets\.py'"),
        ("planned_nets:mak", r"'planned_nets' has no 'mak'\. Did you mean 'make'\?"),
        ("planned_nets.py:ntework", r"'planned_nets\.py' has no 'ntework'"),
        ("planned_nets:wants", "'planned_nets:wants' wants a, b, d, but is called without arguments. Write a function"),
        ("planned_nets:seven", r"is int, expected a function or class that makes an nn\.Module"),
        ("planned_nets:other", r"'planned_nets:other' returned int, expected an nn\.Module"),
    ],
)
def test_what_cannot_be_meant(name, message):
    with pytest.raises(UsageError, match=message):
        make_network(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("planned_nets:fails", r"^'planned_nets:fails' failed: RuntimeError: first line$"),
        ("planned_nets:silent", r"^'planned_nets:silent' failed: ValueError$"),
        ("planned_nets:leaves", r"^'planned_nets:leaves' failed: SystemExit: enough$"),
        ("planned_bad:make", r"^'planned_bad' cannot be imported: ModuleNotFoundError: No module named 'a_module_that"),
        ("planned_worse.py:make", r"^'planned_worse\.py' cannot be imported: SyntaxError: "),
    ],
)
def test_code_that_fails_is_one_line(name, message):
    with pytest.raises(ConfigError, match=message):
        make_network(name)


def test_a_folder_is_no_file(files):
    Path("planned.py").mkdir()
    with pytest.raises(UsageError, match=r"no file 'planned\.py'"):
        make_network("planned.py:make")
