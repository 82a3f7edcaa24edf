import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import export
from hyperdnn.errors import ExportError, MissingExtraError

from .nets import Memory, Named, Spectral, mlp

onnxruntime = pytest.importorskip("onnxruntime", reason="needs hyperdnn[export]")


def _session(path: Path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_a_baked_network(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    model = hd.HyperDNN.for_tasks(mlp(), 3).train()
    export.onnx(model.bake(torch.tensor(2)), tmp_path / "net.onnx", torch.randn(1, 3))
    assert capfd.readouterr() == ("", "")
    session, x = _session(tmp_path / "net.onnx"), torch.randn(9, 3)
    (given,), (returned,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("input", ["batch", 3])
    assert (returned.name, returned.shape) == ("output", ["batch", 2])
    (found,) = session.run(None, {"input": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), model.eval()(x, context=torch.tensor(2)).detach())


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    inputs = {"shift": torch.randn(4, 2), "x": torch.randn(4, 3), "scale": 2.0}
    net = Named()
    found = export.onnx(net, tmp_path / "net.onnx", inputs)
    session = _session(found.path)
    assert {given.name for given in session.get_inputs()} == {"shift", "x"}
    assert [returned.name for returned in session.get_outputs()] == ["output_0", "output_1"]
    expected = net(**inputs)
    outputs = session.run(["output_0", "output_1"], {name: inputs[name].numpy() for name in ("shift", "x")})
    for one, other in zip(outputs, expected.values(), strict=True):
        torch.testing.assert_close(torch.from_numpy(one), other.detach())


def test_an_operator_that_onnx_lacks(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"ONNX has no 'aten\._linalg_eigh', which Spectral uses\..*export\.program"):
        export.onnx(Spectral(3, 2), tmp_path / "net.onnx", torch.randn(4, 3))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("net", "x", "words"),
    [
        (nn.Linear(3, 2).bfloat16(), torch.randn(4, 3).bfloat16(), "find an implementation for Gemm"),
        (Memory().double(), torch.randn(2, 5, 3).double(), "LSTM operator does not support double yet"),
    ],
    ids=["at-loading", "at-running"],
)
def test_a_type_that_onnxruntime_lacks(net: nn.Module, x: torch.Tensor, words: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=rf"onnxruntime does not run the file: .*{words}.*export net\.float\(\)"):
        export.onnx(net, tmp_path / "net.onnx", x)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingExtraError, match=rf'{package} is not installed\. Type: pip install "hyperdnn\[export\]"'
    ):
        export.onnx(mlp(), tmp_path / "net.onnx", torch.randn(4, 3))
