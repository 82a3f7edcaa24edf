import pytest
import torch
from torch import nn

from hyperdnn import ParamLayout
from hyperdnn.targets._base import BaseWeights


@pytest.mark.parametrize("trained", [False, True])
def test_values_stay_under_their_dotted_names(trained: bool) -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 2)))
    base = BaseWeights(module, ParamLayout.of(module).select("*.weight"), trained=trained)
    assert list(base.state_dict()) == ["0.weight", "1.0.weight"]
    assert {p.requires_grad for p in base.parameters()} == {trained}
    assert torch.equal(base["1.0.weight"], module[1][0].weight)


def test_a_parameter_of_the_module_itself() -> None:
    module = nn.Linear(3, 4)
    assert torch.equal(BaseWeights(module, ParamLayout.of(module), trained=False)["bias"], module.bias)


def test_a_base_that_is_itself_generated() -> None:
    module = nn.Linear(3, 4)
    base = BaseWeights(module, ParamLayout.of(module), trained=False)

    class Read(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base = base

        def forward(self) -> torch.Tensor:
            return self.base["bias"]

    assert torch.equal(torch.func.functional_call(Read(), {"base.bias": torch.ones(4)}, ()), torch.ones(4))
