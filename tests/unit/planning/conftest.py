import pytest

from hyperdnn.layout import Count
from hyperdnn.planning import Facts, Row

SIZES = {
    "generate once": 5_000_000,
    "multiple heads": 5_000_000,
    "low-rank (16)": 1_500_000,
    "component-wise (layer)": 900_000,
    "chunk-wise (4096)": 300_000,
    "chunk-wise (256)": 40_000,
    "component-wise (row)": 60_000,
    "low-rank change (4)": 30_000,
}


def _row(strategy: str, trained: int) -> Row:
    """A row of which only the name and the size matter."""
    return Row(
        strategy=strategy,
        kind=strategy if strategy.startswith("component") else strategy.partition(" (")[0],
        count=Count(trained=trained, total=trained, hypernet=trained, generated=1000, deployed=1000),
        unused=0,
        whole_layers=1,
        memory=16 * trained,
        context_memory=8000,
        operations=1000,
        seconds=0.001,
        measured=True,
        code="",
    )


@pytest.fixture
def rows():
    return [_row(strategy, trained) for strategy, trained in SIZES.items()]


@pytest.fixture
def facts():
    return Facts(weights=80_000, contexts=10, separate=800_000, one=80_000, always=320, budget=None)
