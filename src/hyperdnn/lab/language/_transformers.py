"""Where transformers is imported."""

import warnings
from types import ModuleType
from typing import Any

from hyperdnn.errors import ConfigError, MissingExtraError

__all__ = ["pretrained_part", "transformers"]


def transformers() -> ModuleType:
    """The library.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what its parts say of each other while they are imported is theirs
            import transformers as library
    except ImportError as error:
        raise MissingExtraError("transformers", extra="peft") from error
    return library


def pretrained_part(kind: str, name: str, revision: str | None = None) -> Any:
    """A part of a model that others have pretrained.

    Args:
        kind: a class of transformers that finds the right one, such as ``"AutoTokenizer"``.
        name: on the hub, from where it is downloaded once; or the model's folder.
        revision: of the model on the hub, such as a commit; None for the newest.

    Raises:
        MissingExtraError: transformers is not installed.
        ConfigError: there is no such model, or the hub cannot be reached.
    """
    library = transformers()
    try:
        return getattr(library, kind).from_pretrained(name, revision=revision or "main")
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        got = f"'{name}'" if revision is None else f"'{name}' at revision '{revision}'"
        raise ConfigError(
            f"base.pretrained: expected a model that transformers finds on the hub or in a folder, got {got}: "
            f"{reason} Without network, download the model elsewhere and name its folder, or "
            "train a small one here: base.pretrained=null."
        ) from error
