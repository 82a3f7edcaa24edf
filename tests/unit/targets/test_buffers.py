import copy

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn.errors import BufferPolicyError, ContextError, LayoutError
from hyperdnn.targets._buffers import initial_buffers, statistics


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def weights_for(target: hd.Target, *contexts: int) -> dict[str, Tensor]:
    return {spec.name: torch.randn(*contexts, *spec.shape) for spec in target.layout}


def test_statistics_are_found_by_name() -> None:
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Sequential(nn.InstanceNorm1d(3, track_running_stats=True)))
    module.append(nn.BatchNorm1d(3, track_running_stats=False))
    assert list(statistics(module)) == ["0", "1.0"]


def test_a_network_without_statistics_needs_no_policy() -> None:
    hd.Target(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.BatchNorm1d(4, track_running_stats=False)))


@pytest.mark.parametrize("training", [False, True])
def test_frozen_uses_the_statistics_and_never_updates_them(training: bool) -> None:
    module = net()
    module(torch.randn(50, 3) + 2)
    plain = copy.deepcopy(module).eval()
    target = hd.Target(module, buffers="frozen").train(training)
    before = copy.deepcopy(target.state_dict())
    x = torch.randn(5, 3)
    torch.testing.assert_close(target(dict(plain.named_parameters()), x), plain(x))
    assert all(torch.equal(before[name], tensor) for name, tensor in target.state_dict().items())


@pytest.mark.parametrize("training", [False, True])
def test_batch_has_no_running_statistics_at_all(training: bool) -> None:
    module = net()
    plain = copy.deepcopy(module).train()
    target = hd.Target(module, buffers="batch").train(training)
    assert list(target.buffers()) == []
    x = torch.randn(5, 3)
    torch.testing.assert_close(target(dict(plain.named_parameters()), x), plain(x))


def test_shared_is_one_large_batch_for_all_contexts() -> None:
    module = net()
    plain = copy.deepcopy(module)
    target = hd.Target(module, "3.*", buffers="shared")
    x = torch.randn(2, 5, 3)
    weights = {name: p.detach().expand(2, *p.shape) for name, p in plain.named_parameters() if name.startswith("3.")}
    torch.testing.assert_close(target.batched(weights, x), plain(x.flatten(0, 1)).unflatten(0, (2, 5)))
    torch.testing.assert_close(dict(target.module.named_buffers()), dict(plain.named_buffers()))


@pytest.mark.parametrize("index", [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1]], ids=["equal_groups", "unequal_groups"])
def test_shared_is_one_large_batch_for_groups_too(index: list[int]) -> None:
    """Kept trunk, generated head: the trunk must not see which sample belongs to which context."""
    module = net()
    plain = copy.deepcopy(module)
    target = hd.Target(module, "3.*", buffers="shared")
    x = torch.randn(6, 3)
    weights = {name: p.detach().expand(2, *p.shape) for name, p in plain.named_parameters() if name.startswith("3.")}
    torch.testing.assert_close(target.grouped(weights, x, torch.tensor(index)), plain(x))
    torch.testing.assert_close(dict(target.module.named_buffers()), dict(plain.named_buffers()))


def test_shared_cannot_be_honoured_by_a_loop_in_training() -> None:
    """One context after the other would be normalised by itself: refused, or pooled, but not silently different."""
    module = net()
    plain = copy.deepcopy(module)
    target = hd.Target(module, "3.*", buffers="shared")
    x = torch.randn(2, 5, 3)
    weights = {name: p.detach().expand(2, *p.shape) for name, p in plain.named_parameters() if name.startswith("3.")}
    try:
        out = target.batched(weights, x, mode="loop")
    except BufferPolicyError:
        return
    torch.testing.assert_close(out, plain(x.flatten(0, 1)).unflatten(0, (2, 5)))


def test_per_context_updates_the_sets_named_and_no_other() -> None:
    module = net()
    plain = [copy.deepcopy(module) for _ in range(3)]
    target = hd.Target(module, buffers="per_context")
    buffers = target.initial_buffers(3)
    weights, x = weights_for(target, 2), torch.randn(2, 5, 3)
    out, after = target.with_buffers(weights, x, buffers, torch.tensor([2, 0]))
    for i, context in enumerate([2, 0]):
        plain[context].load_state_dict({n: w[i] for n, w in weights.items()}, strict=False)
        torch.testing.assert_close(out[i], plain[context](x[i]))
    for name, sets in after.items():
        torch.testing.assert_close(sets, torch.stack([p.get_buffer(name) for p in plain]))


@pytest.mark.parametrize("contexts", [(), (1,)], ids=["one", "many"])
def test_per_context_never_writes_into_its_arguments(contexts: tuple[int, ...]) -> None:
    target = hd.Target(net(), buffers="per_context")
    buffers = target.initial_buffers(2)
    before = copy.deepcopy(buffers)
    weights, x, ids = weights_for(target, *contexts), torch.randn(*contexts, 5, 3), torch.ones(contexts).long()
    _, after = target.with_buffers(weights, x, buffers, ids)
    torch.testing.assert_close(buffers, before)
    assert all((after[name][1] != before[name][1]).any() for name in before)
    assert all(torch.equal(after[name][0], before[name][0]) for name in before)


def test_per_context_in_evaluation_changes_nothing() -> None:
    target = hd.Target(net(), buffers="per_context").eval()
    buffers = target.initial_buffers(2)
    _, after = target.with_buffers(weights_for(target), torch.randn(5, 3), buffers, torch.tensor(1))
    torch.testing.assert_close(after, buffers)


def test_initial_buffers_are_copies_of_the_present_ones() -> None:
    module = net()
    module(torch.randn(50, 3))
    buffers = initial_buffers(module, 3)
    assert set(buffers) == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    assert all(torch.equal(b, module.get_buffer(name).expand_as(b)) for name, b in buffers.items())
    buffers["1.running_mean"][0] = 9
    assert not (buffers["1.running_mean"][1] == 9).any()


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (torch.tensor([0]), r"ids: expected one for each context, \(2,\), got \(1,\)"),
        (torch.tensor([0, 3]), "id 3: there are running statistics for 0 to 2"),
        (torch.tensor([-1, 0]), "id -1: there are running statistics for 0 to 2"),
        (torch.tensor([1, 1]), "an id comes twice in one call"),
        (torch.tensor([0.0, 1.0]), "integer"),
    ],
)
def test_ids_name_one_set_for_each_context(ids: Tensor, words: str) -> None:
    target = hd.Target(net(), buffers="per_context")
    with pytest.raises(ContextError, match=words):
        target.with_buffers(weights_for(target, 2), torch.randn(2, 5, 3), target.initial_buffers(3), ids)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: b.pop("1.running_mean"), r"'1\.running_mean' is missing or unknown\. Start from target\.initial"),
        (lambda b: b.update(x=torch.zeros(3)), "'x' is missing or unknown"),
        (lambda b: b.update({"1.running_mean": torch.zeros(3, 5)}), r"'1\.running_mean': expected .*4.*got \(3, 5\)"),
    ],
)
def test_statistics_passed_in_must_be_complete(change: object, words: str) -> None:
    target = hd.Target(net(), buffers="per_context")
    buffers = target.initial_buffers(3)
    change(buffers)
    with pytest.raises(LayoutError, match=words):
        target.with_buffers(weights_for(target), torch.randn(5, 3), buffers, torch.tensor(0))


def test_a_refused_policy_leaves_the_module_as_it_was() -> None:
    module = nn.Sequential(nn.Conv1d(3, 4, 1), nn.BatchNorm1d(4), nn.InstanceNorm1d(4, track_running_stats=True))
    with pytest.raises(BufferPolicyError, match=r"'2' \(InstanceNorm1d\) cannot pool"):
        hd.Target(module, buffers="shared")
    assert type(module[1]) is nn.BatchNorm1d
