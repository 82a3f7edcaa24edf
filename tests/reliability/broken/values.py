"""Wrong values by what they stand in for, and other things that are broken the same way everywhere."""

import os
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

__all__ = ["NOT", "junk_text", "misspelt", "unreadable"]

_WORDS = st.text("bcdghjkqvwxz", min_size=1, max_size=12)
_GROUPS = st.sampled_from(
    ["{}", "{a: 1}", "[[1]]", "[{}]", "{1: 2}", "[null]", "!!set {1}", "2001-01-01", "!!binary aGk="]
)
_BROKEN = st.integers(0, 2**70).map(lambda n: f"{n}.5")
_BELOW = st.integers(-(2**70), -1).map(str)
_TRUTH = st.sampled_from(["true", "false", "yes", "off", "True"])
_NULL = st.sampled_from(["null", "~", ""])
_NOT_FINITE = st.sampled_from([".nan", ".inf", "-.inf", "nan", "inf", "-inf", "1e999", "-1e999", "Infinity"])
_HUGE = st.one_of(
    st.integers(400, 9000).map("9".__mul__),
    st.integers(400, 9000).map(lambda n: "0x" + "f" * n),
    st.integers(400, 2000).map(lambda n: ":".join(["59"] * n)),
)

_NO_NUMBER = st.one_of(_WORDS, _GROUPS, _TRUTH, _NOT_FINITE, _HUGE, st.just("[1]"), st.just("1 2"))
_NO_WHOLE = st.one_of(_NO_NUMBER, _BROKEN, st.sampled_from(["1.0", "1e3", "'1'", "0.0"]))

NOT: dict[str, SearchStrategy[str]] = {
    "whole": st.one_of(_NO_WHOLE, _NULL, _BELOW),
    "whole or null": st.one_of(_NO_WHOLE, _BELOW),
    "count": st.one_of(_NO_WHOLE, _NULL, _BELOW, st.just("0")),
    "count or null": st.one_of(_NO_WHOLE, _BELOW, st.just("0")),
    "number": st.one_of(_NO_NUMBER, _NULL, _BELOW, st.just("-0.5")),
    "positive or null": st.one_of(_NO_NUMBER, _BELOW, st.sampled_from(["0", "-0.1", "0.0", "-0"])),
    "truth": st.one_of(_WORDS, _GROUPS, _NULL, _NOT_FINITE, st.sampled_from(["0", "1", "'true'", "[true]", "maybe"])),
    "word": st.one_of(_WORDS, _GROUPS, _NULL, _TRUTH, st.sampled_from(["0", "1.5", "[adam]", "ADAM", "' adam'"])),
    "text": st.one_of(_GROUPS, _NULL, _TRUTH, st.sampled_from(["0", "1.5", "[relu]"])),
    "widths": st.one_of(
        _WORDS,
        _NULL,
        _TRUTH,
        st.sampled_from(["8", "{}", "[8, x]", "[8.5]", "[[8]]", "['8']", "[null]", "[-8]", "[0]"]),
    ),
    "group": st.one_of(_WORDS, _NULL, _TRUTH, st.sampled_from(["8", "[]", "[lr]", "1.5", "{lr}", "{lr: }"])),
}
"""For each kind of setting, YAML that is none of it."""

junk_text = st.text(
    st.characters(codec="utf-8", categories=["L", "M", "N", "P", "S", "Z", "Cf", "Co"]), min_size=1, max_size=30
)


@st.composite
def misspelt(draw: st.DrawFn, names: list[str]) -> str:
    """A name with a letter too many, too few or wrong; never one of the names."""
    name = draw(st.sampled_from(names))
    place = draw(st.integers(0, len(name) - 1))
    letter = draw(st.sampled_from("xqzé_Ж"))
    made = [
        name[:place] + letter + name[place:],
        name[:place] + letter + name[place + 1 :],
        f"{name}s{letter}",
        name.upper(),
    ]
    return draw(st.sampled_from(made).filter(lambda one: one not in names))


@st.composite
def unreadable(draw: st.DrawFn, scratch: Path) -> tuple[str, Path]:
    """A place where there is no file to read, and what is there instead."""
    kind = draw(
        st.sampled_from(
            [
                "absent",
                "folder",
                "device",
                "random",
                "pipe",
                "loop",
                "below a file",
                "long",
                "null byte",
                "dangling",
                "link to a device",
                "surrogate",
            ]
        )
    )
    place = scratch / f"unreadable-{kind.replace(' ', '-')}"
    if kind == "device":
        return kind, Path("/dev/zero")
    if kind == "random":
        return kind, Path("/dev/urandom")
    if kind == "long":
        return kind, scratch / ("x" * draw(st.integers(256, 5000)))
    if kind == "null byte":
        return kind, Path(f"{scratch}/a\0b")
    if kind == "surrogate":
        return kind, Path(f"{scratch}/a\udcffb")
    if kind == "below a file":
        (scratch / "file").touch()
        return kind, scratch / "file" / "below"
    if not place.is_symlink() and not place.exists():
        if kind == "folder":
            place.mkdir()
        elif kind == "pipe":
            os.mkfifo(place)
        elif kind != "absent":
            place.symlink_to({"loop": place, "dangling": scratch / "gone", "link to a device": "/dev/zero"}[kind])
    return kind, place
