import pytest
from torch import nn

from hyperdnn import ParamLayout, heads
from hyperdnn.errors import ConfigError
from hyperdnn.nn import Growing, growing


def test_two_methods_make_a_head_that_can_follow() -> None:
    class Mine(nn.Module):
        def new_slots(self, layout: object) -> tuple[()]:
            return ()

        def resize(self, layout: object) -> list[object]:
            return []

    head = Mine()
    assert growing(head) is head
    assert isinstance(heads.FullHead(3, ParamLayout.of(nn.Linear(2, 2))), Growing)


def test_others_are_refused_with_those_that_can() -> None:
    with pytest.raises(ConfigError, match=r"Linear cannot grow.*FullHead, MultiHead, FactoredHead or ComponentHead"):
        growing(nn.Linear(2, 2))
