"""Layers that are not there, and ranks that they do not have."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from torch import nn

from hyperdnn import heads, layout, targets
from hyperdnn.errors import ConfigError, LayoutError

ATTACH: dict[str, Callable[[nn.Module, Any], object]] = {
    "lora": lambda module, select: targets.attach_lora(module, select, rank=1),
    "film": targets.attach_film,
    "adapter": lambda module, select: targets.attach_adapter(module, select, 2),
    "conditioned": lambda module, select: targets.attach_conditioned(module, select, nn.Sequential),
}
every_attach = pytest.mark.parametrize("attach", ATTACH.values(), ids=ATTACH)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.mark.parametrize(
    ("select", "words"),
    [
        ("head.*", r"select='head\.\*' matches no layer\. Known: '0', '2'"),
        (("0", "3"), r"select='3' matches no layer"),
        (nn.Conv2d, r"select=Conv2d matches no layer\. Found: Linear"),
    ],
    ids=["glob", "one-of-several", "class"],
)
@every_attach
def test_a_glob_that_no_module_matches(attach: Callable[[nn.Module, Any], object], select: object, words: str) -> None:
    module = net()
    names = list(module.state_dict())
    with pytest.raises(LayoutError, match=words):
        attach(module, select)
    assert list(module.state_dict()) == names


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (partial(targets.attach_lora, select="2"), r"'2': LoRA: expected a rank from 1 to 2 for a 4 x 2 matrix, got 3"),
        (lambda module, rank: heads.FactoredHead(8, layout.ParamLayout.of(module, "2.weight"), rank), "Lower the rank"),
    ],
    ids=["attached", "generated"],
)
def test_a_rank_above_the_matrix(make: Callable[..., object], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        make(net(), rank=3)
    assert all(part in str(caught.value) for part in ("'2", "from 1 to 2", "3"))
