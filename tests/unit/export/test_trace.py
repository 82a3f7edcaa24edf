import logging
import warnings

import pytest
import torch
from torch import nn

from hyperdnn.export._example import example_of
from hyperdnn.export._trace import evaluating, quiet, trace


def test_a_size_of_one_in_the_example_may_be_another() -> None:
    net = nn.Linear(3, 2)
    run = trace(net, example_of(net, torch.randn(1, 3), context=None, batch=0)).module()
    x = torch.randn(7, 3)
    torch.testing.assert_close(run(x), net(x))


def test_modes_are_as_before_also_after_an_error() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.Dropout()).train()
    net[1].eval()
    seen: list[bool] = []

    def fail() -> None:
        with evaluating(net):
            seen.extend(layer.training for layer in net.modules())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert seen == [False, False, False]
    assert [layer.training for layer in net.modules()] == [True, True, False]


def test_quiet_keeps_the_exporters_words_and_no_others(capsys: pytest.CaptureFixture) -> None:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with quiet():
        print("printed")
        logger.error("logged")
        warnings.warn("`isinstance(treespec, LeafSpec)` is deprecated", FutureWarning, stacklevel=1)
        with pytest.warns(UserWarning, match="somebody else's"):
            warnings.warn("somebody else's", UserWarning, stacklevel=1)
    assert capsys.readouterr() == ("", "")
    assert logger.level == level
