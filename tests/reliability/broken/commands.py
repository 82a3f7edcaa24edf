"""Command lines that cannot be meant: exit code 2, one message, no traceback, and nothing is trained."""

import contextlib
import io
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from hyperdnn import lab
from hyperdnn.cli import main
from hyperdnn.errors import HyperDNNError

from .attempt import Attempt
from .configs import SETTINGS
from .files import foreign_json
from .values import NOT, junk_text, misspelt, unreadable

RECIPE = "continual/task_conditioned"
COMMANDS = ["demo", "run", "list", "show", "copy", "reproduce", "plan", "doctor"]
OPTIONS = {
    "demo": ["--out", "--quiet"],
    "run": ["--config", "--setting", "--seed", "--devices", "--strategy", "--variants", "--resume", "--out", "--quiet"],
    "list": ["--json"],
    "show": ["--json"],
    "copy": [],
    "reproduce": ["--all", "--setting", "--seeds", "--results", "--out", "--quiet"],
    "plan": ["--contexts", "--budget", "--select", "--hidden", "--json", "--related"],
    "doctor": ["--json"],
}
WORKING = {
    "run": [RECIPE, "--setting", "tiny"],
    "show": [RECIPE],
    "copy": [RECIPE, "there"],
    "reproduce": [RECIPE],
    "plan": ["net.py:make"],
}

Line = SearchStrategy[list[str]]


TRAINS = "it trains"


class RefusedError(HyperDNNError):
    """The command line answered as it should."""


class WrongAnswerError(Exception):
    """It did not."""


def attempts(scratch: Path) -> SearchStrategy[Attempt]:
    """Command lines that must be refused."""
    os.chdir(scratch)
    (scratch / "net.py").write_text("from torch import nn\n\ndef make():\n    return nn.Linear(2, 2)\n\nnumber = 3\n")
    lab.run = _train  # nothing is to get that far
    lines = st.one_of(
        _no_command(),
        _unknown_option(),
        _unknown_setting(),
        _wrong_setting(),
        _wrong_option(),
        _no_recipe(),
        _no_network(),
        _surplus(),
        _unwritable(scratch),
        _missing_file(scratch),
        _damaged_config(scratch),
        _damaged_run(scratch),
        _damaged_recipe(scratch),
    )
    return lines.map(lambda line: Attempt(f"hyperdnn {' '.join(line)}"[:150], partial(_run, line)))


def whole(scratch: Path) -> list[Callable[[], object]]:
    """Command lines that are understood: commands that train get as far as that."""
    attempts(scratch)
    run = ["run", RECIPE, "--setting", "tiny", "--beta", "0.5", "--variants", "hypernet", "--train.clip_norm", "null"]
    lines = [["list"], ["show", RECIPE], ["copy", RECIPE, "new"], ["doctor"], ["plan", "net.py:make"]]
    return [partial(_understood, line) for line in [run, ["demo"], ["reproduce", RECIPE], *lines]]


def _understood(line: list[str]) -> None:
    try:
        _run(line)
    except WrongAnswerError as error:
        if str(error) not in (TRAINS, "exit code 0: "):
            raise


def _train(*_: object, **__: object) -> object:
    raise WrongAnswerError(TRAINS)


def _run(line: list[str]) -> object:
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(line)
        err.flush()
    said = err.buffer.getvalue().decode()
    if code != 2:
        raise WrongAnswerError(f"exit code {code}: {said[-300:]}")
    if "Traceback" in said or len(said) > 4000 + 3 * len(" ".join(line)):
        raise WrongAnswerError(said[:1000])
    raise RefusedError(said)


def _no_command() -> Line:
    options = st.sampled_from(["--verbose", "-x", "--", "-", "--json", "--out", "--help=3", "--version=1"])
    words = st.one_of(misspelt(COMMANDS), junk_text, options).filter(lambda word: word not in ("-h",))
    return st.tuples(words, st.lists(junk_text, max_size=3)).map(lambda pair: [pair[0], *pair[1]])


@st.composite
def _unknown_option(draw: st.DrawFn) -> list[str]:
    command = draw(st.sampled_from(COMMANDS))
    known = [option.removeprefix("--") for option in [*OPTIONS[command], "--help"]]
    name = draw(misspelt(known)).replace("_", "-")
    value = draw(st.sampled_from([[], ["3"], ["x"]]))
    return [command, *WORKING.get(command, []), f"--{name}", *value]


@st.composite
def _unknown_setting(draw: st.DrawFn) -> list[str]:
    name = draw(misspelt(sorted(SETTINGS)))
    tail = draw(
        st.sampled_from(
            [[f"--{name}", "3"], [f"--{name}=3"], [f"--{name}"], [f"--set={name}=3"], ["--set", f"{name}=3"]]
        )
    )
    return ["run", *WORKING["run"], *tail]


@st.composite
def _wrong_setting(draw: st.DrawFn) -> list[str]:
    name = draw(st.sampled_from([name for name in sorted(SETTINGS) if SETTINGS[name] not in ("text",)]))
    value = draw(NOT[SETTINGS[name]])
    if SETTINGS[name] in ("word", "truth") and value == "":
        value = "x"
    forms = [
        [f"--{name}={value}"],
        [f"--{name}"],
        [f"--{name}", "3", "4"],
        [f"-{name}", "3"],
        [name, value],
        [f"{name}={value}"],
    ]
    if not value.startswith("--"):
        forms.append([f"--{name}", value])
    form = draw(st.sampled_from(forms))
    return ["run", *WORKING["run"], *form]


@st.composite
def _wrong_option(draw: st.DrawFn) -> list[str]:
    """Options with values that they do not take."""
    no_count = st.one_of(
        st.sampled_from(
            ["0", "-1", "1.5", "x", "", "1e3", "²", "nan", "inf", "--", "1 2", "0x10", "½", "None", "true"]
        ),
        st.integers(30, 9000).map("9".__mul__),
        junk_text.filter(lambda text: not text.strip().isdecimal()),
    )
    line, option, values = draw(
        st.sampled_from(
            [
                ("run", "--devices", no_count),
                ("run", "--seed", no_count.filter(lambda text: text != "0")),
                ("run", "--strategy", misspelt(["ddp", "fsdp"])),
                ("run", "--variants", misspelt(["hypernet", "beta 0", "multitask"])),
                (
                    "run",
                    "--variants",
                    st.sampled_from(
                        ["", ",", "hypernet,", ",multitask", "hypernet multitask", "beta", "hypernet,,multitask"]
                    ),
                ),
                ("run", "--resume", misspelt(["auto"]).filter(lambda text: text != "AUTO")),
                ("reproduce", "--seeds", no_count),
                ("reproduce", "--setting", misspelt(["default", "split_mnist"])),
                ("plan", "--contexts", no_count),
                ("plan", "--hidden", no_count),
                ("plan", "--budget", no_count),
                ("plan", "--select", misspelt(["weight", "bias"])),
                ("plan", "--related", misspelt(["yes", "no"])),
            ]
        )
    )
    value = draw(values)
    return [line, *WORKING[line], f"{option}={value}"]


@st.composite
def _no_recipe(draw: st.DrawFn) -> list[str]:
    command = draw(st.sampled_from(["run", "show", "copy", "reproduce"]))
    name = draw(
        st.one_of(
            misspelt([RECIPE]),
            junk_text.filter(lambda text: not text.startswith("-")),
            st.sampled_from(
                [
                    "",
                    ".",
                    "..",
                    "/",
                    "../recipes/continual/task_conditioned",
                    f"{RECIPE}/",
                    f"/{RECIPE}",
                    "a\udcffb",
                    "absent.py",
                    ".py",
                    f"./{RECIPE}",
                ]
            ),
            st.integers(250, 9000).map(lambda n: "x" * n + ".py"),
            st.integers(250, 9000).map(lambda n: "x" * n),
        )
    )
    return [command, name]


@st.composite
def _no_network(draw: st.DrawFn) -> list[str]:
    name = draw(
        st.one_of(
            st.sampled_from(
                [
                    "",
                    ":",
                    "net.py",
                    "net.py:",
                    ":make",
                    "absent.py:make",
                    "net.py:number",
                    "net.py:mak",
                    "os:getcwd",
                    "absent:make",
                    "torch.nn:Linear",
                    ".net:make",
                    "..:make",
                    "net.py:make:make",
                    "a\udcff:b",
                    "json:dumps",
                    "math:pi",
                    "a b:c",
                ]
            ),
            junk_text.filter(lambda text: not text.startswith("-")),
            st.integers(250, 5000).map(lambda n: "x" * n + ".py:make"),
            misspelt(["net.py:make"]),
        )
    )
    return ["plan", name]


@st.composite
def _surplus(draw: st.DrawFn) -> list[str]:
    """A word too many, or an option that needs a value and has none."""
    command = draw(st.sampled_from(COMMANDS))
    if draw(st.booleans()) and command not in ("list", "doctor", "show", "copy"):
        option = draw(st.sampled_from([o for o in OPTIONS[command] if o not in ("--quiet", "--json", "--all")]))
        return [command, *WORKING.get(command, []), option]
    flags = [option for option in OPTIONS[command] if option in ("--quiet", "--json", "--all")]
    words = [["word"], ["a", "b"], *([f"{flag}=3"] for flag in flags)]
    return [command, *WORKING.get(command, []), *draw(st.sampled_from(words))]


@st.composite
def _unwritable(draw: st.DrawFn, scratch: Path) -> list[str]:
    (scratch / "file").touch()
    place = draw(
        st.sampled_from(["file", "file/below", "/dev/null", "/dev/null/below", "/proc/below", "/sys/below/further"])
        | st.integers(256, 5000).map(lambda n: "x" * n)
    )
    lines = [
        ["run", *WORKING["run"], f"--out={place}"],
        ["demo", f"--out={place}"],
        ["reproduce", RECIPE, f"--out={place}"],
    ]
    lines += [
        ["reproduce", RECIPE, f"--results={place}"],
        ["copy", RECIPE, f"{place}/x.py"],
        ["copy", RECIPE, f"{place}/x"],
    ]
    return draw(st.sampled_from(lines))


@st.composite
def _missing_file(draw: st.DrawFn, scratch: Path) -> list[str]:
    place = str(draw(unreadable(scratch).filter(lambda found: found[0] != "null byte"))[1])  # no system passes one on
    lines = [
        ["run", RECIPE, f"--config={place}"],
        ["run", RECIPE, f"--resume={place}"],
        ["run", f"{place}.py"],
        ["show", f"{place}.py"],
        ["plan", f"{place}.py:make"],
    ]
    return draw(st.sampled_from(lines))


@st.composite
def _damaged_config(draw: st.DrawFn, scratch: Path) -> list[str]:
    name = draw(st.sampled_from([name for name in sorted(SETTINGS) if SETTINGS[name] != "text"]))
    group, _, leaf = name.rpartition(".")
    value = draw(NOT[SETTINGS[name]])
    text = f"{group}: {{{leaf}: {value}}}\n" if group else f"{leaf}: {value}\n"
    return ["run", RECIPE, "--config", _written(scratch / "config.yaml", text)]


@st.composite
def _damaged_run(draw: st.DrawFn, scratch: Path) -> list[str]:
    """A run folder whose notes are no notes."""
    folder = scratch / "run"
    (folder / "checkpoints" / "seed-0" / "hypernet" / "step-000001").mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text("source: digits\n")
    notes = {"recipe": RECIPE, "seeds": [0], "variants": None, "line": "hyperdnn run"}
    key = draw(st.sampled_from(sorted(notes)))
    wrong = {
        "recipe": [None, 3, "continual/other", [], {}],
        "seeds": [None, 3, "0", [], ["0"], [-1], [2**32], [1.5], {}, [None], [[0]], [True]],
        "variants": [3, "hypernet", [3], ["nowhere"], {}, [], True, [None]],
        "line": [None, 3, [], {}],
    }
    how = draw(st.sampled_from(["value", "value", "missing", "json"]))
    if how == "json":
        content = draw(foreign_json(scratch.parent / "canary"))
    elif how == "missing":
        del notes[key]
        content = json.dumps(notes).encode()
    else:
        content = json.dumps({**notes, key: draw(st.sampled_from(wrong[key]))}).encode()
    (folder / "env.json").write_bytes(content)
    return ["run", RECIPE, "--resume", str(folder)]


_RECIPE = '''"""A recipe."""
from dataclasses import dataclass
from hyperdnn import lab

@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 0

RECIPE = lab.Recipe(
    summary="x",
    config=Config,
    reference=lab.Reference(title="t", authors="a", venue="v", year=2000),
    claims=(),
)
'''


@st.composite
def _damaged_recipe(draw: st.DrawFn, scratch: Path) -> list[str]:
    """A recipe's file whose declarations cannot be read; nothing in it is run to read them."""
    canary = scratch.parent / "canary"
    evil = f"open({str(canary)!r}, 'w')"
    depth = draw(st.integers(200, 5000))
    changed = draw(
        st.sampled_from(
            [
                _RECIPE[: draw(st.integers(0, _RECIPE.index("    claims") - 1))],
                _RECIPE.replace('"x"', evil),
                _RECIPE.replace('"x"', "(" * depth + ")" * depth),
                _RECIPE.replace('"x"', "-" * depth + "1"),
                _RECIPE.replace('"x"', "{[]: 1}"),
                _RECIPE.replace('"x"', "3"),
                _RECIPE.replace('"x"', "None"),
                _RECIPE.replace("lab.Reference(", "lab.Reference(x=1, "),
                _RECIPE.replace("year=2000", f"year={evil}"),
                _RECIPE.replace("claims=()", "claims=[1]"),
                _RECIPE.replace("claims=()", f"claims={evil}"),
                _RECIPE.replace("claims=()", "claims=(lab.Claim(),)"),
                _RECIPE.replace(
                    "claims=()", "claims=(lab.Claim(text='x', config='default', metric='m', at_least='high'),)"
                ),
                _RECIPE.replace("RECIPE", "RECIPES"),
                _RECIPE.replace("config=Config", "configs=Config"),
                "\0" + _RECIPE,
                _RECIPE + "\0",
                "# coding: nonsense\n" + _RECIPE,
                "x = " + "[" * depth + "\n",
                "\udcff",
            ]
        )
    )
    content = changed.encode(errors="surrogateescape")
    place = scratch / "mine.py"
    place.write_bytes(content)
    return [draw(st.sampled_from(["show", "run", "reproduce"])), str(place)]


def _written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)
