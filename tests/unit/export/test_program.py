import logging
from pathlib import Path

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import export
from hyperdnn.errors import ExportError

from .nets import Deciding, Fixed, Memory, Named, mlp


def test_a_program_takes_any_number_of_samples(tmp_path: Path) -> None:
    model = hd.HyperDNN.for_tasks(mlp(), 3).train()
    baked = model.bake(torch.tensor(2))
    found = export.program(baked, tmp_path / "net.pt2", torch.randn(1, 3))
    assert baked.training  # as it was
    run, x = torch.export.load(found.path).module(), torch.randn(9, 3)
    torch.testing.assert_close(run(x), model.eval()(x, context=torch.tensor(2)))
    torch.testing.assert_close(found.run(x), run(x))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_every_type(dtype: torch.dtype, tmp_path: Path) -> None:
    found = export.program(Memory().to(dtype), tmp_path / "net.pt2", torch.randn(2, 5, 3, dtype=dtype))
    assert found.difference.within
    assert found.run(torch.randn(3, 5, 3, dtype=dtype))[1].shape == (2, 3, 4)


def test_inputs_by_name_and_outputs_in_a_dict(tmp_path: Path) -> None:
    inputs = {"shift": torch.randn(4, 2), "x": torch.randn(4, 3), "scale": 2.0}
    net = Named()
    found = export.program(net, tmp_path / "net.pt2", inputs)
    torch.testing.assert_close(found.run(**inputs), net(**inputs))


def test_fixed_sizes_on_request(tmp_path: Path) -> None:
    found = export.program(Fixed(3, 2), tmp_path / "net.pt2", torch.randn(4, 3), batch=None)
    assert found.run(torch.randn(4, 3)).shape == (4, 2)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (
            Deciding(3, 2),
            r"cannot follow Deciding: its code decides by values.*return y if y\.sum\(\) > 0.*torch\.where",
        ),
        (Fixed(3, 2), r"fixes the number of samples to the example's 4\. Take sizes.*batch=None"),
    ],
)
def test_what_torch_cannot_follow(net: nn.Module, words: str, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    level = logging.getLogger("torch.export").level
    with pytest.raises(ExportError, match=words):
        export.program(net, tmp_path / "net.pt2", torch.randn(4, 3))
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
    assert logging.getLogger("torch.export").level == level
    assert net.training


def test_inputs_that_do_not_fit_are_the_networks_own_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"shapes cannot be multiplied \(4x3 and 5x2\)"):
        export.program(nn.Linear(5, 2), tmp_path / "net.pt2", torch.randn(4, 3))
