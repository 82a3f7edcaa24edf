import pickle

import pytest

from hyperdnn import errors
from hyperdnn.errors import HyperDNNError, MissingExtraError, nearest

CLASSES = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_ours(error: type[Exception]) -> None:
    assert issubclass(error, HyperDNNError)


@pytest.mark.parametrize("error", [e for e in CLASSES if e not in (HyperDNNError, MissingExtraError)])
def test_existing_except_clauses_keep_working(error: type[Exception]) -> None:
    with pytest.raises(ValueError, match=r"^words$"):
        raise error("words")


def test_a_missing_extra_is_an_import_error_with_the_line_to_type() -> None:
    with pytest.raises(ImportError) as caught:
        raise MissingExtraError("matplotlib", extra="lab")
    assert str(caught.value) == 'matplotlib is not installed. Type: pip install "hyperdnn[lab]"'


@pytest.mark.parametrize("error", [e("words") for e in CLASSES if e is not MissingExtraError], ids=repr)
def test_errors_cross_process_borders(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


def test_a_missing_extra_crosses_process_borders_too() -> None:
    error = MissingExtraError("matplotlib", extra="lab")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (MissingExtraError, str(error))


@pytest.mark.parametrize(
    ("name", "known", "advice"),
    [
        ("wieght", ["weight", "bias"], " Did you mean 'weight'?"),
        ("xyz", ["weight", "bias"], " Known: 'weight', 'bias'."),
        ("xyz", (f"name{i}" for i in range(12)), " Known: " + ", ".join(f"'name{i}'" for i in range(12)) + "."),
        ("xyz", [f"name{i}" for i in range(13)], ""),
        ("xyz", [], ""),
    ],
)
def test_advice_for_a_misspelt_name(name: str, known: object, advice: str) -> None:
    assert nearest(name, known) == advice
