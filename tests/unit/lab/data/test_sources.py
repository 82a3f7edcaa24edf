import re

from hyperdnn.lab.data import SOURCES


def test_entries_are_complete() -> None:
    for name, source in SOURCES.items():
        assert source.title, name
        assert source.terms, name
        assert bool(source.addresses or source.made) == bool(source.sha256), name
        assert all(re.fullmatch("[0-9a-f]{64}", checksum) for checksum in source.sha256.values()), name
        assert all(address.startswith("https://") and address.endswith("/") for address in source.addresses), name
