import copy

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.errors import BatchingError, HyperDNNError, LayoutError


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def weights_for(target: hd.Target, *contexts: int) -> dict[str, Tensor]:
    return {spec.name: torch.randn(*contexts, *spec.shape) for spec in target.layout}


def test_generated_parameters_leave_the_module_and_the_others_stay() -> None:
    module = net()
    module[0].bias.requires_grad_(False)
    kept = dict(module[0].named_parameters())
    target = hd.Target(module, "2.*")
    assert target.layout.names == ("2.weight", "2.bias")
    assert list(target.state_dict()) == ["module.0.weight", "module.0.bias"]
    assert all(target.module[0].get_parameter(name) is p for name, p in kept.items())
    assert [p.requires_grad for p in target.parameters()] == [True, False]


def test_with_the_networks_own_weights_it_is_the_network() -> None:
    module, x = net(), torch.randn(5, 3)
    plain = copy.deepcopy(module)
    target = hd.Target(module, ["0.weight", "2.bias"])
    weights = {name: plain.get_parameter(name) for name in target.layout.names}
    assert torch.equal(target(weights, x), plain(x))


def test_kept_parameters_are_nobodys_business() -> None:
    """Only generated weights start from a distribution: a kept mask of infinities is fine."""
    module = net()
    with torch.no_grad():
        module[0].bias[0] = -torch.inf
    target = hd.Target(module, "2.*")
    assert target(weights_for(target), torch.randn(5, 3)).isfinite().all()


def test_a_call_leaves_no_weight_behind() -> None:
    target = hd.Target(net())
    target(weights_for(target), torch.randn(5, 3))
    target.batched(weights_for(target, 2), torch.randn(2, 5, 3))
    assert list(target.parameters()) == []
    assert target.module[0].weight is None


def test_tied_weights_are_filled_under_every_name() -> None:
    module = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
    module[1].weight = module[0].weight
    target = hd.Target(module)
    (name,) = target.layout.names
    table = torch.randn(5, 3)
    x = torch.tensor([4, 1])
    torch.testing.assert_close(target({name: table}, x), table[x] @ table.T)


@pytest.mark.parametrize("trained", [False, True])
def test_base_weights_stay_in_the_target_frozen_unless_asked(trained: bool) -> None:
    target = hd.Target(net(), "2.*", combine=targets.Residual(), train_base=trained)
    base = {name: p.requires_grad for name, p in target.named_parameters() if name.startswith("base.")}
    assert base == {"base.2.weight": trained, "base.2.bias": trained}


@pytest.mark.parametrize("combine", [targets.Residual(), targets.Scale(), targets.LowRank(1)])
def test_a_change_of_zero_is_the_network(combine: targets.Residual) -> None:
    module, x = net(), torch.randn(5, 3)
    plain = copy.deepcopy(module)
    target = hd.Target(module, combine=combine)
    zero = {spec.name: torch.zeros(spec.shape) for spec in target.layout}
    assert torch.equal(target(zero, x), plain(x))


def test_a_tied_base_is_kept_once_and_changed_under_every_name() -> None:
    module = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    module[1].weight = module[0].weight
    base = module[0].weight.detach().clone()
    target = hd.Target(module, combine=targets.Residual())
    assert list(target.state_dict()) == ["base.0.weight"]
    change, x = torch.randn(3, 3), torch.randn(5, 3)
    torch.testing.assert_close(target({"0.weight": change}, x), x @ (base + change).T @ (base + change).T)


def test_effective_names_every_alias() -> None:
    module = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    module[1].weight = module[0].weight
    target = hd.Target(module)
    assert set(target.effective(weights_for(target, 2))) == {"0.weight", "1.weight"}


def test_a_target_copies_moves_and_pickles() -> None:
    target = hd.Target(nn.Sequential(nn.LSTM(3, 4), nn.Identity()))
    weights, x = weights_for(target), torch.randn(5, 2, 3)
    again = copy.deepcopy(target).double()
    out, expected = again({n: w.double() for n, w in weights.items()}, x.double())[0], target(weights, x)[0]
    torch.testing.assert_close(out.float(), expected)


def test_keyword_arguments_reach_the_module() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, x: Tensor, *, scale: float = 1.0, shift: Tensor | None = None) -> Tensor:
            return scale * self.linear(x) + (0 if shift is None else shift)

    target = hd.Target(Scaled())
    weights, x, shift = weights_for(target, 2), torch.randn(2, 5, 3), torch.randn(2, 5, 2)
    plain = target.batched(weights, x)
    torch.testing.assert_close(target.batched(weights, x, scale=2.0, shift=shift), 2 * plain + shift)
    torch.testing.assert_close(target.paired(weights, x[:, 0], shift=shift[:, 0]), plain[:, 0] + shift[:, 0])
    index = torch.tensor([1, 0, 1])
    torch.testing.assert_close(
        target.grouped(weights, x[index, 2], index=index, shift=shift[index, 2]), (plain + shift)[index, 2]
    )


def test_grouped_takes_its_index_by_keyword_or_last() -> None:
    target = hd.Target(net())
    weights, x, index = weights_for(target, 2), torch.randn(3, 3), torch.tensor([1, 0, 1])
    assert torch.equal(target.grouped(weights, x, index), target.grouped(weights, x, index=index))


def test_grouped_without_an_index() -> None:
    target = hd.Target(net())
    with pytest.raises(HyperDNNError, match="grouped needs index="):
        target.grouped(weights_for(target, 2))


def test_grouped_has_one_context_dimension() -> None:
    target = hd.Target(net())
    with pytest.raises(BatchingError, match=r"one context dimension, got \(2, 2\)"):
        target.grouped(weights_for(target, 2, 2), torch.randn(3, 3), torch.tensor([0, 1, 0]))


def test_a_hypernet_is_a_target_like_any_other() -> None:
    inner = hd.HyperDNN.for_vectors(net(), 5, hidden=8).hypernet
    plain = copy.deepcopy(inner)
    target = hd.Target(inner)
    context = torch.randn(4, 5)
    weights = target(dict(plain.named_parameters()), context)
    torch.testing.assert_close(weights, plain(context))


def test_a_swapped_layer_reached_by_another_road_does_not_run_on_old_weights() -> None:
    """A Python list still holds torch's own layer: with its old weights, generated ones would have no effect."""

    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(3, 4)
            self.all = [self.rnn]

        def forward(self, x: Tensor) -> Tensor:
            return self.all[0](x)[0]

    target = hd.Target(Hidden())
    x = torch.randn(5, 2, 3)
    try:
        first, second = (target(weights_for(target), x) for _ in range(2))
    except Exception:
        return
    assert not torch.equal(first, second)


def test_a_module_of_which_a_part_is_taken_over_says_so() -> None:
    module = net()
    hd.Target(module, "2.*")
    with pytest.raises(LayoutError, match="already"):
        hd.Target(module)
