import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.errors import BufferPolicyError, LayoutError


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))


def own(architecture: hd.Architecture) -> dict[str, Tensor]:
    return {name: architecture.module.get_parameter(name).detach() for name in architecture.layout.names}


def test_an_architecture_is_run_again_and_again_and_stays_as_it_is() -> None:
    architecture = hd.Architecture.of(net().double())
    x, before = torch.randn(5, 3, 4, 4, dtype=torch.float64), own(architecture)
    expected = architecture.module(x)
    for _ in range(2):
        target = hd.Target.of(architecture, buffers="batch")
        assert target.layout == architecture.layout
        torch.testing.assert_close(target(own(architecture), x), expected)
    assert all(architecture.module.get_parameter(name).equal(before[name]) for name in before)


def test_what_was_not_selected_is_kept_by_the_copy() -> None:
    architecture = hd.Architecture.of(net(), "4.*")
    target = hd.Target.of(architecture, buffers="frozen")
    assert target.layout.names == ("4.weight", "4.bias")
    assert "module.0.weight" in dict(target.named_parameters())
    assert target.module[0].weight is not architecture.module[0].weight


def test_combine_and_buffers_are_those_of_the_target() -> None:
    architecture = hd.Architecture.of(net())
    with pytest.raises(BufferPolicyError, match="BatchNorm2d with running statistics"):
        hd.Target.of(architecture)
    target = hd.Target.of(architecture, combine=targets.Residual(), buffers="frozen")
    x = torch.randn(2, 3, 4, 4)
    zero = {name: torch.zeros_like(value) for name, value in own(architecture).items()}
    torch.testing.assert_close(target(zero, x), architecture.module.eval()(x))


def test_on_the_meta_device_running_statistics_start_anew() -> None:
    with torch.device("meta"):
        architecture = hd.Architecture.of(net())
    real = net().eval()
    target = hd.Target.of(architecture, buffers="frozen")
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(target(dict(real.named_parameters()), x), real(x))
    assert architecture.module[1].running_mean.is_meta  # the architecture is as it was


@pytest.mark.parametrize(
    ("selectors", "combine", "message"),
    [
        (("4.*",), None, r"'0\.weight' is kept as it is, but on the meta device, where it has no values"),
        ((), targets.Residual(), r"'0\.weight' is a base weight, but .* Build the network on a real device"),
    ],
)
def test_values_that_were_never_made_are_an_error(selectors, combine, message) -> None:
    with torch.device("meta"):
        architecture = hd.Architecture.of(net(), *selectors)
    with pytest.raises(LayoutError, match=message):
        hd.Target.of(architecture, combine=combine, buffers="batch")


def test_another_buffer_on_the_meta_device_is_an_error() -> None:
    module = nn.Linear(2, 2, device="meta")
    module.register_buffer("table", torch.zeros(2, device="meta"))
    with pytest.raises(LayoutError, match="'table' is kept as it is"):
        hd.Target.of(hd.Architecture.of(module))


def test_an_architecture_whose_module_a_target_took_over_is_refused() -> None:
    architecture = hd.Architecture.of(net())
    hd.Target(architecture.module, buffers="batch")
    with pytest.raises(LayoutError, match="already took over"):
        hd.Target.of(architecture, buffers="batch")
