import pytest

from hyperdnn.errors import ConfigError
from hyperdnn.lab.config._parse import parse


def test_plain_values_are_taken():
    assert parse("a: [1, 2]\nb: {c: x}\n") == {"a": [1, 2], "b": {"c": "x"}}
    assert parse("") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1]\nb: *x\n", r"line 2: references \(\*x\) are not taken"),
        ("&a [*a]", "references"),
        ("a: 1\nb: 2\na: 1\n", "line 3: 'a' stands there twice"),
        ("a: {b: 1, 'b': 2}", "'b' stands there twice"),
        ("[" * 30, "nested more than 20 deep"),
        ("? " * 30, "nested more than 20 deep"),
        ("[" * 100_000, "nested more than 20 deep"),
        ("a: 2001-99-99", "a value that cannot be read .*month"),
        ("a: !!int x", "a value that cannot be read"),
        ("a: !!bool x", "a value that cannot be read"),
        ("a: !!timestamp x", "a value that cannot be read"),
        (f"a: {'9' * 5000}", "a value that cannot be read .*digits"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML: could not determine a constructor"),
        ("a: [", "not valid YAML"),
    ],
)
def test_what_a_configuration_does_not_need_is_refused(text, words):
    with pytest.raises(ConfigError, match=words):
        parse(text)


def test_a_bomb_of_references_is_refused_before_it_grows():
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    with pytest.raises(ConfigError, match="references"):
        parse(bomb)
