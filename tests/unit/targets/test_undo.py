import copy

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.targets._undo import as_it_was_on_error


def test_undone_are_swapped_layers_buffers_and_hooks() -> None:
    module = nn.Sequential(nn.Embedding(5, 3), nn.LSTM(3, 4, batch_first=True), nn.BatchNorm1d(2))
    module.register_forward_hook(lambda *_: None)
    x = torch.randint(5, (2, 6))
    before = [(name, layer, layer.training) for name, layer in module.named_modules()]
    tensors, expected = list(module.state_dict(keep_vars=True).values()), module[1](module[0](x))[0]
    hooks = dict(module._forward_hooks)

    def take_over_and_fail() -> None:
        with as_it_was_on_error(module):
            hd.Target(module, buffers="shared")
            module._forward_hooks.clear()
            module.eval()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        take_over_and_fail()
    assert [(name, layer, layer.training) for name, layer in module.named_modules()] == before
    assert all(a is b for a, b in zip(module.state_dict(keep_vars=True).values(), tensors, strict=True))
    assert module._forward_hooks == hooks
    torch.testing.assert_close(module[1](module[0](x))[0], expected)
    assert hd.Target(copy.deepcopy(module), buffers="batch").layout.numel > 0


def test_without_an_error_what_was_done_stays() -> None:
    module = nn.Sequential(nn.Linear(2, 2))
    with as_it_was_on_error(module):
        module[0] = nn.Tanh()
    assert isinstance(module[0], nn.Tanh)


def test_handles_of_hooks_still_remove_them() -> None:
    module, calls = nn.Sequential(nn.Linear(2, 2)), []
    handle = module[0].register_forward_hook(lambda *_: calls.append(1))

    def add_and_fail() -> None:
        with as_it_was_on_error(module):
            module[0].register_forward_hook(lambda *_: calls.append(2))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        add_and_fail()
    module(torch.randn(1, 2))
    assert calls == [1]
    handle.remove()
    module(torch.randn(1, 2))
    assert calls == [1]


def test_a_parametrisation_is_undone_with_the_class_that_it_made() -> None:
    module = nn.Sequential(nn.Linear(2, 2))
    weight = module[0].weight

    def change_and_fail() -> None:
        with as_it_was_on_error(module):
            nn.utils.parametrizations.weight_norm(module[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert type(module[0]) is nn.Linear
    assert module[0].weight is weight


def test_lazy_layers_do_not_hide_the_error() -> None:
    module = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 3))

    def freeze_and_fail() -> None:
        with as_it_was_on_error(module):
            for parameter in module.parameters():
                parameter.requires_grad = False
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        freeze_and_fail()
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert module(torch.randn(2, 5)).shape == (2, 3)
