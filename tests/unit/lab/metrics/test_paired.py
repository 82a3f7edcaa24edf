import sys

import pytest
import torch

from hyperdnn.errors import MissingExtraError
from hyperdnn.lab.metrics import sign_test


@pytest.mark.parametrize(
    ("wins", "cases", "p"), [(10, 10, 2**-10), (9, 10, 11 * 2**-10), (1, 2, 0.75), (0, 3, 1.0), (0, 0, 1.0)]
)
def test_it_is_the_tail_of_the_binomial(wins, cases, p):
    other = torch.zeros(cases + 2)  # two ties
    own = torch.cat([-torch.ones(wins), torch.ones(cases - wins), torch.zeros(2)])
    assert sign_test(own, other) == pytest.approx(p)


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(MissingExtraError, match=r"hyperdnn\[lab\]"):
        sign_test(torch.zeros(2), torch.ones(2))
