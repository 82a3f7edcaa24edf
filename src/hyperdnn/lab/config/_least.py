"""The lower bound of numbers in a configuration."""

from hyperdnn.errors import ConfigError

__all__ = ["check_least"]


def check_least(config: object, least: int, *names: str) -> None:
    """Verify that settings are large enough, in the ``__post_init__`` of their dataclass.

    Args:
        config: the dataclass's instance.
        least: the smallest value that makes sense.
        names: fields that hold numbers, tuples of numbers, or None, which passes.

    Raises:
        ConfigError: naming the first field with a smaller number, or one that is not a number (nan).
    """
    for name in names:
        value = getattr(config, name)
        numbers = value if isinstance(value, tuple | list) else () if value is None else (value,)
        if not all(number >= least for number in numbers):
            raise ConfigError(f"{name}: expected {least} or more, got {value}.")
