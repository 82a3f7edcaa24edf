"""Where transformers is imported."""

import warnings
from types import ModuleType

from hyperdnn.errors import MissingExtraError

__all__ = ["transformers"]


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
