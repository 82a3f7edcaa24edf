import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import Architecture
from hyperdnn.errors import LayoutError
from hyperdnn.layout._trace import trace


class Choosy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            return self.map(x)
        return x


def test_the_error_names_module_line_and_way_out() -> None:
    message = (
        r"Sequential cannot be traced: in '1\.0' \(Choosy\), test_trace\.py line \d+, 'if x\.sum\(\) > 0:': .* control "
        r"flow\. Pass leaves=\(Choosy,\)"
    )
    with pytest.raises(LayoutError, match=message):
        Architecture.of(nn.Sequential(nn.Linear(3, 3), nn.Sequential(Choosy())))


def test_a_network_that_chooses_itself_must_be_divided() -> None:
    with pytest.raises(LayoutError, match=r"^Choosy cannot be traced: test_trace\.py .* a module of its own class C"):
        Architecture.of(Choosy())


def test_what_fails_after_an_inner_module_is_the_outer_one() -> None:
    class After(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(3, 3))

        def forward(self, x: Tensor) -> Tensor:
            return x if self.inner(x).sum() > 0 else -x

    with pytest.raises(LayoutError, match=r"^After cannot be traced: test_trace\.py .* a module of its own class C"):
        Architecture.of(After())
    with pytest.raises(LayoutError, match=r"in '1' \(After\), test_trace\.py"):
        Architecture.of(nn.Sequential(nn.ReLU(), After()))


def test_a_leaf_is_one_operation_and_runs() -> None:
    architecture = Architecture.of(nn.Sequential(nn.Linear(3, 3), Choosy()), leaves=[Choosy])
    assert [node.operation for node in architecture.nodes] == ["input", "Linear", "Choosy", "output"]
    weights = {name: architecture.module.get_parameter(name) for name in architecture.layout.names}
    x = torch.ones(2, 3)
    torch.testing.assert_close(hd.Target.of(architecture)(weights, x), architecture.module(x))


def test_attached_modules_are_one_operation() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    hd.targets.attach_lora(module, "0", rank=2)
    architecture = Architecture.of(module, "*lora*")
    assert len(architecture.nodes) == 4
    assert len(architecture.nodes[1].parameters) == len(architecture.layout) == 2


def test_optional_arguments_keep_their_defaults() -> None:
    class Optional(nn.Module):
        def forward(
            self, x: Tensor, /, scale: float = 2.0, *more: Tensor, y: Tensor, z: Tensor | None = None
        ) -> Tensor:
            return (x * scale + y) if z is None else z

    assert [node.name for node in trace(Optional(), ()).nodes] == ["x", "y", "mul", "add", "output"]


@pytest.mark.parametrize("forward", [lambda self, *inputs: inputs[0], lambda self, x=None: x * 2])
def test_without_required_arguments_there_is_one_input(forward) -> None:
    module = type("Loose", (nn.Module,), {"forward": forward})()
    assert next(node.op for node in trace(module, ()).nodes) == "placeholder"


def test_tensors_are_shared_and_not_copied() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    versions = [tensor._version for tensor in module.state_dict().values()]
    trace(module, ())
    assert [tensor._version for tensor in module.state_dict().values()] == versions


def test_a_layer_with_a_hypernet_of_its_own_is_one_operation() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    hd.targets.attach_conditioned(module, "2", lambda layer: hd.models.Conditioned(hd.HyperDNN.for_vectors(layer, 4)))
    architecture = Architecture.of(module)
    assert [node.operation for node in architecture.nodes] == ["input", "Linear", "relu", "Conditioned", "output"]
    weights = {name: architecture.module.get_parameter(name) for name in architecture.layout.names}
    x = torch.randn(5, 3)
    torch.testing.assert_close(hd.Target.of(architecture)(weights, x), architecture.module(x))


def test_an_only_argument_may_be_an_optional_keyword() -> None:
    class Keyword(nn.Module):
        def forward(self, *, x: Tensor | None = None, y: Tensor | None = None) -> Tensor | None:
            return y if x is None else x * 2

    class Nothing(nn.Module):
        def forward(self) -> Tensor:
            return torch.ones(3)

    assert [node.name for node in trace(Keyword(), ()).nodes] == ["x", "mul", "output"]
    assert not any(node.op == "placeholder" for node in trace(Nothing(), ()).nodes)
