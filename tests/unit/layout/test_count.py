import math

import pytest
from torch import nn

from hyperdnn.layout import Count, count


def test_a_shared_parameter_counts_once_and_a_frozen_one_is_not_trained() -> None:
    hypernet = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    hypernet[1].weight = hypernet[0].weight
    model = nn.ModuleDict({"hypernet": hypernet, "kept": nn.Linear(3, 3, bias=False).requires_grad_(False)})
    assert count(model, hypernet, generated=16, deployed=25) == Count(
        trained=8, total=17, hypernet=8, generated=16, deployed=25
    )


@pytest.mark.parametrize(("hypernet", "ratio"), [(4, 2.5), (20, 0.5), (0, math.inf)])
def test_compression_ratio_is_generated_over_hypernet(hypernet: int, ratio: float) -> None:
    sizes = Count(trained=0, total=0, hypernet=hypernet, generated=10, deployed=10)
    assert sizes.compression_ratio == ratio
