import pytest
import torch
from torch import nn

from hyperdnn.lab.train._parted import Parts
from hyperdnn.lab.train._restore import difference, restore_model, restore_optimizer


def _parted(tensor):
    return Parts(list(tensor.tensor_split(2)), tuple(tensor.shape), 0) if tensor.ndim else tensor


def _trained(model):
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    return optimizer


def test_parts_come_back_as_the_whole():
    model, other = nn.Linear(3, 5), nn.Linear(3, 5)
    optimizer, second = _trained(model), torch.optim.Adam(other.parameters())
    restore_model(other, {name: _parted(tensor) for name, tensor in model.state_dict().items()})
    saved = optimizer.state_dict()
    moments = {i: {n: _parted(v) for n, v in state.items()} for i, state in saved["state"].items()}
    restore_optimizer(second, {**saved, "state": moments})
    torch.testing.assert_close(other.state_dict(), model.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(second.state_dict(), optimizer.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        (nn.Linear(3, 4), "'weight' is (4, 3) in it, but (5, 3) in the model"),
        (nn.Linear(3, 5, bias=False), "'bias' is absent in it, but (5,) in the model"),
        (nn.BatchNorm1d(5), "'weight' is (5,) in it, but (5, 3) in the model"),
    ],
)
def test_the_first_difference_is_told(saved, words):
    assert difference(nn.Linear(3, 5), saved.state_dict()) == words


def test_the_same_shapes_are_no_difference():
    assert difference(nn.BatchNorm1d(5), nn.BatchNorm1d(5).state_dict()) is None


def test_another_number_of_parameters_is_refused():
    optimizer = _trained(nn.Linear(3, 5))
    with pytest.raises(ValueError, match="parameter group"):
        restore_optimizer(torch.optim.Adam([nn.Parameter(torch.ones(2))]), optimizer.state_dict())
