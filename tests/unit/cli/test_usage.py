import pytest

from hyperdnn.cli._usage import UsageError, typed_settings, usage
from hyperdnn.errors import ConfigError, LayoutError

SETTINGS = ["beta", "learning_rate", "train.iterations"]
OPTIONS = ["--quiet", "--seed"]


def _typed(*arguments: str) -> dict[str, str]:
    return typed_settings(arguments, settings=SETTINGS, options=OPTIONS)


def test_a_value_follows_its_name_or_an_equals_sign():
    assert _typed("--beta", "0.1", "--train.iterations=3") == {"beta": "0.1", "train.iterations": "3"}


def test_a_value_may_be_negative_empty_or_hold_an_equals_sign():
    assert _typed("--beta", "-0.1") == {"beta": "-0.1"}
    assert _typed("--beta=") == {"beta": ""}
    assert _typed("--beta=a=b") == {"beta": "a=b"}


def test_a_dash_serves_as_an_underscore():
    assert _typed("--learning-rate", "1") == {"learning_rate": "1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["3"], "unexpected '3'"),
        (["--betta", "1"], "no setting '--betta'. Did you mean '--beta'?"),
        (["--iterations", "1"], "no setting '--iterations'. Did you mean '--train.iterations'?"),
        (["--quite"], "no setting '--quite'. Did you mean '--quiet'?"),
        (["--beta"], "--beta has no value"),
        (["--beta", "--train.iterations", "3"], "--beta has no value"),
    ],
)
def test_what_cannot_be_meant_is_named(arguments, message):
    with pytest.raises(UsageError) as error:
        _typed(*arguments)
    assert message in str(error.value)


def test_only_configuration_errors_are_wrong_usage():
    with pytest.raises(UsageError, match="x"), usage():
        raise ConfigError("x")
    with pytest.raises(LayoutError), usage():
        raise LayoutError("y")
