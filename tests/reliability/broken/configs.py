"""Configuration files that are wrong: settings, syntax, or what YAML can do beside being a configuration."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from hyperdnn.lab.config import from_mapping, read_yaml, to_mapping
from hyperdnn.recipes.continual.task_conditioned import Config

from .attempt import Attempt
from .values import NOT, misspelt, unreadable

SETTINGS = {
    "seed": "whole", "num_tasks": "whole", "pad": "whole", "task_features": "whole", "chunk": "whole",
    "beta": "number", "normalize": "truth", "lookahead": "truth", "source": "word", "tasks": "word",
    "target": "widths", "hypernet": "widths", "activation": "text", "rehearsed": "whole or null", "train": "group",
    "train.iterations": "count", "train.batch_size": "count", "train.accumulate": "count", "train.lr": "number",
    "train.momentum": "number", "train.weight_decay": "number", "train.optimizer": "word", "train.keep_last": "count",
    "train.device": "word", "train.precision": "word", "train.devices": "count", "train.strategy": "word",
    "train.clip_norm": "positive or null", "train.clip_generated": "positive or null", "train.deterministic": "truth",
    "train.checkpoint_every": "count or null", "train.log_every": "count",
}  # fmt: skip
"""What each setting takes."""

VALID = "source: digits\nnum_tasks: 3\ntrain:\n  iterations: 7\n  lr: 0.01\n"


def attempts(scratch: Path) -> SearchStrategy[Attempt]:
    """Files that `read_yaml` must refuse."""
    path = scratch / "config.yaml"

    def read(kind: str, content: bytes | str) -> Attempt:
        return Attempt(f"{kind} {content[:60]!r}", partial(_read, path, content))

    texts = st.one_of(
        st.builds(partial(read, "value"), _wrong_value()),
        st.builds(partial(read, "name"), _wrong_name()),
        st.builds(partial(read, "tag"), _tagged(scratch.parent / "canary")),
        st.builds(partial(read, "reference"), _references()),
        st.builds(partial(read, "twice"), _twice()),
        st.builds(partial(read, "shape"), _no_mapping()),
        st.builds(partial(read, "syntax"), _no_yaml()),
        st.builds(partial(read, "nesting"), _nested()),
        st.builds(partial(read, "bytes"), _bytes()),
        st.builds(partial(read, "length"), _long()),
    )
    places = unreadable(scratch).map(lambda found: Attempt(f"file {found[0]}", partial(read_yaml, Config, found[1])))
    mappings = st.builds(_mapping_attempt, st.sampled_from(sorted(SETTINGS)), st.sampled_from(_OBJECTS))
    return st.one_of(texts, texts, texts, places, mappings)


def whole(scratch: Path) -> list[Callable[[], object]]:
    """Configurations that are read."""
    path = scratch / "config.yaml"
    texts = (VALID, "", "train: {clip_norm: null, checkpoint_every: 5}\n", '"seed": 3\ntarget: [3, 4]\nbeta: 1e-3\n')
    return [partial(_read, path, text) for text in texts]


def _read(path: Path, content: bytes | str) -> object:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(Config, path)


_OBJECTS = (object(), print, {1, 2}, b"1", 1j, Config, range(3), ..., [object()], {"a": print}, memoryview(b"1"))
"""Values that only Python has."""


def _mapping_attempt(name: str, value: object) -> Attempt:
    *group, leaf = name.split(".")
    changes = {group[0]: {leaf: value}} if group else {leaf: value}
    return Attempt(f"mapping {name} {type(value).__name__}", partial(_from_mapping, changes))


def _from_mapping(changes: dict[str, object]) -> object:
    return to_mapping(from_mapping(Config, changes))


def _line(name: str, text: str) -> str:
    group, _, leaf = name.rpartition(".")
    return f"{group}: {{{leaf}: {text}}}\n" if group else f"{leaf}: {text}\n"


@st.composite
def _wrong_value(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(sorted(SETTINGS)))
    return draw(st.sampled_from(["", "# a comment\n"])) + _line(name, draw(NOT[SETTINGS[name]]))


@st.composite
def _wrong_name(draw: st.DrawFn) -> str:
    name = draw(misspelt(sorted(SETTINGS)))
    return VALID.replace("train:\n", f"{name}: 1\ntrain:\n") if draw(st.booleans()) else VALID + f"  {name}: 1\n"


@st.composite
def _tagged(draw: st.DrawFn, canary: Path) -> str:
    """Python's objects, which a full loader would make or call."""
    touch = f"open({str(canary)!r}, 'w')"
    payload = draw(
        st.sampled_from(
            [
                f'!!python/object/apply:eval ["{touch}"]',
                f"!!python/object/apply:os.system ['touch {canary}']",
                f"!!python/object/new:os.system ['touch {canary}']",
                "!!python/name:os.system",
                "!!python/module:os",
                "!!python/object:hyperdnn.recipes.continual.task_conditioned.Config {seed: 1}",
                f"!!python/object/apply:subprocess.check_output [[touch, {canary}]]",
                "!!python/tuple [1, 2]",
                "!!python/complex 1+2j",
                "!!python/long 3",
                "!!python/bytes aGVsbG8=",
                "!unknown x",
                "!!int x",
                "!!int ''",
                "!!float x",
                "!!float ''",
                "!!bool x",
                "!!bool ''",
                "!!timestamp x",
                "!!timestamp 2001-99-99",
                "2001-99-99",
                "2001-02-30 25:61:61",
                "!!binary '%%'",
                "!!binary ü",
                "!!set [1]",
                "!!omap x",
                "!!pairs 3",
                "!!map 3",
                "!!seq {a: 1}",
                "!<tag:yaml.org,2002:python/name:os.system> x",
            ]
        )
    )
    name = draw(st.sampled_from(["seed", "beta", "target", "chunk", "train.lr", "train.clip_norm", "train.iterations"]))
    return draw(st.sampled_from([payload + "\n", _line(name, payload), _line(name, f"[{payload}]")]))


@st.composite
def _references(draw: st.DrawFn) -> str:
    """Anchors: each level of a bomb holds the one below ten times."""
    levels, width = draw(st.integers(2, 30)), draw(st.integers(2, 12))
    bomb = ["a0: &a0 [x, x]\n"]
    bomb += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]\n" for n in range(1, levels)]
    nested = "&b0 [1, 1]"
    for n in range(1, levels):
        nested = f"[&b{n} {nested}, *b{n - 1}]" if n == 1 else f"[&c{n} {nested}, *c{n}]"
    name = draw(st.sampled_from(sorted(SETTINGS)))
    return draw(
        st.sampled_from(
            [
                "".join(bomb) + _line(name, f"*a{levels - 1}"),
                _line(name, f"[&x [1, 2], {', '.join(['*x'] * width)}]"),
                "target: &a [*a]\n",
                "train: &a {lr: *a}\n",
                "&a train: {*a : *a}\n",
                "a: &a {seed: 1}\n<<: *a\n",
                "target: *nowhere\n",
                _line(name, nested),
                "<<: &a {seed: 2}\ntrain: {<<: *a}\n",
            ]
        )
    )


@st.composite
def _twice(draw: st.DrawFn) -> str:
    pair = draw(st.sampled_from([("seed", "1", "2"), ("beta", "0.1", "0.1"), ("target", "[3]", "[4]")]))
    name, first, second = pair
    nested = "train: {lr: 0.1, iterations: 3, lr: 0.1}\n"
    quoted = draw(st.sampled_from([name, f'"{name}"', f"'{name}'", f"!!str {name}"]))
    whole = f"{name}: {first}\n" + draw(st.sampled_from(["", "num_tasks: 2\n"])) + f"{quoted}: {second}\n"
    return draw(st.sampled_from([whole, nested, "train: {lr: 0.1}\ntrain: {lr: 0.2}\n"]))


def _no_mapping() -> SearchStrategy[str]:
    made = [
        "- 1\n",
        "3\n",
        "text\n",
        "[1, 2]\n",
        "- seed: 1\n",
        "'seed: 1'\n",
        "--- 1\n--- 2\n",
        "seed: 1\n---\nseed: 2\n",
    ]
    keys = ["1: 2\n", "null: 1\n", "true: 1\n", "[1]: 2\n", "{a: 1}: 2\n", "? [seed]\n: 1\n", "1.5: x\n", "'': 1\n"]
    return st.sampled_from([*made, *keys, *(f"train: {{{key.strip()}}}\n" for key in keys if key[0] != "?")])


def _no_yaml() -> SearchStrategy[str]:
    endings = [
        "[",
        "{",
        "'",
        '"',
        "%",
        "@",
        "`",
        "*",
        "&",
        "\t- x\n -",
        "- \n]",
        "}",
        ": : :",
        "!!",
        "!<",
        '"\\x"',
        "|\n x\n  - y\nz",
    ]
    return st.builds(
        lambda end, value: f"{VALID}extra_ {end}{value}", st.sampled_from(endings), st.text("ab[{", max_size=4)
    )


@st.composite
def _nested(draw: st.DrawFn) -> str:
    depth = draw(st.integers(30, 20_000))
    opened, closed = draw(st.sampled_from([("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("!!seq [", "]")]))
    name = draw(st.sampled_from(sorted(SETTINGS)))
    return _line(name, opened * depth + "1" + closed * depth * draw(st.booleans()))


@st.composite
def _bytes(draw: st.DrawFn) -> bytes:
    """Valid text with bytes in it that no text has."""
    place = draw(st.integers(0, len(VALID)))
    bad = draw(
        st.sampled_from(
            [
                b"\xff",
                b"\x00",
                b"\x80\x80",
                b"\xed\xa0\x80",
                b"\x07",
                b"\x1b[2J",
                b"\xfe\xff\x00",
                b"\x89PNG\r\n",
                b"\xc3",
            ]
        )
    )
    return VALID[:place].encode() + bad + VALID[place:].encode()


@st.composite
def _long(draw: st.DrawFn) -> str:
    """Far too long for a configuration."""
    times = draw(st.integers(110_000, 300_000))
    return draw(
        st.sampled_from(
            [
                f"beta: {'9' * times}\n",
                f"seed: {'9' * times}\n",
                f"activation: {'x' * times}\n",
                f"target: [{'1, ' * (times // 3)}1]\n",
                "# comment\n" * (times // 10) + "seed: 1\n",
                f"seed: {'1:' * (times // 2)}1\n",
                f"{'x' * times}: 1\n",
            ]
        )
    )
