"""Files of data sets: from the folder in ``HYPERDNN_DATA``, from the cache, or from the official source."""

import hashlib
import os
from functools import cache
from pathlib import Path

from hyperdnn.errors import ConfigError, HyperDNNError, MissingExtraError, nearest
from hyperdnn.lab.data._sources import SOURCES, Source

__all__ = ["DataError", "available", "cache_folder", "path"]

_VARIABLE = "HYPERDNN_DATA"


class DataError(HyperDNNError, OSError):
    """A data set that is absent, damaged or out of reach."""


def path(set_name: str, file_name: str) -> Path:
    """One file of a data set, its checksum verified.

    With ``HYPERDNN_DATA`` set, the file must lie in ``<folder>/<set>/<file>`` and nothing is downloaded.
    Otherwise it is taken from the user's cache, and downloaded into it the first time. The checksum is
    computed once for each file and process.

    Args:
        set_name: a key of `SOURCES`.
        file_name: one of the set's files, under its official name.

    Raises:
        ConfigError: an unknown set or file.
        DataError: the file is absent, cannot be downloaded, or is not the published one.
    """
    source = _source(set_name)
    if file_name not in source.sha256:
        raise ConfigError(f"data set '{set_name}' has no file '{file_name}'.{nearest(file_name, source.sha256)}")
    file = _folder(set_name) / file_name
    if not file.is_file():
        if folder := os.environ.get(_VARIABLE):
            raise DataError(
                f"data set '{set_name}': expected {file}, found no such file. {_VARIABLE} is {folder}: put "
                f"the set's files into its folder '{set_name}', or unset {_VARIABLE} to download them."
            )
        _download(file, source, sha256=source.sha256[file_name])
    _verify(file, source.sha256[file_name])
    return file


def available(set_name: str) -> bool:
    """Whether all files of a data set are on this machine. Downloads and verifies nothing.

    Raises:
        ConfigError: an unknown set.
    """
    return all((_folder(set_name) / file).is_file() for file in _source(set_name).sha256)


def _source(set_name: str) -> Source:
    if set_name not in SOURCES:
        raise ConfigError(f"there is no data set '{set_name}'.{nearest(set_name, SOURCES)}")
    return SOURCES[set_name]


def _folder(set_name: str) -> Path:
    """The one folder in which the set's files must lie."""
    if folder := os.environ.get(_VARIABLE):
        return Path(folder).expanduser() / set_name
    return cache_folder() / set_name


def cache_folder() -> Path:
    """The user's cache: what is in it can be fetched or made again."""
    try:
        import pooch
    except ImportError as error:
        raise MissingExtraError("pooch", extra="lab") from error
    return Path(pooch.os_cache("hyperdnn"))


def _download(file: Path, source: Source, *, sha256: str) -> None:
    if not source.addresses:
        raise DataError(
            f"data set '{file.parent.name}': {file.name} is not offered for download in this form. It is made of "
            f"{source.made}. Put it into a folder '<data>/{file.parent.name}' and set {_VARIABLE}=<data>."
        )
    import pooch

    failures = []
    for address in source.addresses:
        try:
            pooch.retrieve(address + file.name, known_hash=f"sha256:{sha256}", fname=file.name, path=file.parent)
        except (OSError, ValueError) as error:  # no network; or a checksum that differs
            failures.append(f"{address}: {error}")
        else:
            return
    raise DataError(
        f"data set '{file.parent.name}': {file.name} could not be downloaded. Fetch it by hand into a folder "
        f"'<data>/{file.parent.name}' and set {_VARIABLE}=<data>. Tried " + "; ".join(failures)
    )


@cache
def _verify(file: Path, sha256: str) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise DataError(
            f"{file} is damaged or another version: expected sha256 {sha256}, got {found}. "
            "Delete it and fetch it again from the official source."
        )
