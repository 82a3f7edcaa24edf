from types import SimpleNamespace

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.errors import ConfigError
from hyperdnn.lab.losses import output_change, remember
from hyperdnn.lab.train import State

CONTEXTS = 4


def _chunked() -> hd.Hypernet:
    layout = hd.ParamLayout.of(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)))
    head = heads.ChunkedHead(8, layout, 7)
    return hd.Hypernet(
        encoder=encoders.Table(CONTEXTS, 4),
        slots=encoders.Slots(head.slots, 3),
        body=bodies.MLP(7, 8),
        head=head,
    ).double()


@pytest.fixture
def hypernet() -> hd.Hypernet:
    return _chunked()


@torch.no_grad()
def _shift(module: nn.Module, by: float = 0.1) -> None:
    for p in module.parameters():
        p.add_(by * torch.randn_like(p))


def _memory(hypernet, contexts=3):
    return remember(hypernet, torch.arange(contexts))


def test_distance_is_summed_over_weights_and_averaged_over_contexts(hypernet):
    memory = _memory(hypernet)
    before = [hypernet(torch.tensor(c)) for c in range(3)]
    _shift(hypernet.body)
    after = [hypernet(torch.tensor(c)) for c in range(3)]
    by_hand = sum((a[n] - b[n]).square().sum() for a, b in zip(after, before, strict=True) for n in a) / 3
    torch.testing.assert_close(output_change(hypernet, memory), by_hand)
    assert by_hand > 0


def test_nothing_moved_is_distance_zero(hypernet):
    assert output_change(hypernet, _memory(hypernet)).item() == 0


@pytest.mark.parametrize("empty", ["none", "no contexts"])
def test_an_empty_memory_costs_nothing(hypernet, empty):
    memory = None if empty == "none" else _memory(hypernet, contexts=0)
    assert not memory
    assert output_change(hypernet, memory).item() == 0


def test_the_memory_does_not_move_with_training(hypernet):
    hypernet.head.linear.weight.requires_grad_(True)
    contexts = torch.arange(2)
    memory = remember(hypernet, contexts)
    before = {name: w.clone() for name, w in memory.weights.items()}
    contexts.zero_()
    _shift(hypernet)
    assert memory.contexts.tolist() == [0, 1]
    for name, weight in memory.weights.items():
        assert weight.equal(before[name])
        assert not weight.requires_grad


def test_the_memory_of_a_hypernet_that_generates_its_own_parameters_does_not_move():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1, 3))

        def forward(self, context):
            return {"weight": self.weight}

    hypernet = Constant()
    memory = remember(hypernet, torch.zeros(1))
    with torch.no_grad():
        hypernet.weight.add_(1)
    assert output_change(hypernet, memory).item() == 3


def test_what_is_remembered_is_free_of_dropout(hypernet):
    hypernet.body = nn.Sequential(hypernet.body, nn.Dropout(0.5))
    memory = _memory(hypernet)
    assert hypernet.training
    expected = hypernet.eval()(torch.arange(3))
    torch.testing.assert_close(memory.weights, expected)


def test_old_embeddings_are_constants_and_the_rest_is_kept(hypernet):
    memory = _memory(hypernet)
    _shift(hypernet)
    assert all(row.requires_grad for row in hypernet.encoder.rows)
    output_change(hypernet, memory).backward()
    for name, p in hypernet.named_parameters():
        assert (p.grad is None) == name.startswith("encoder."), name
    assert hypernet.slots.embeddings.grad.abs().sum() > 0


def _state(hypernet):
    optimizer = torch.optim.Adam(hypernet.parameters(), lr=0.1)
    return State(model=hypernet, config=SimpleNamespace(), generator=torch.Generator(), optimizer=optimizer)


def _loss(hypernet, context=3):
    return sum(w.square().sum() for w in hypernet(torch.tensor(context)).values())


def test_lookahead_measures_where_the_optimizer_would_go(hypernet):
    memory, state = _memory(hypernet), _state(hypernet)
    loss = _loss(hypernet)
    distance = output_change(hypernet, memory, changes=state.lookahead(loss))
    assert output_change(hypernet, memory).item() == 0
    loss.backward()
    state.optimizer.step()
    torch.testing.assert_close(distance, output_change(hypernet, memory))
    assert distance > 0


def test_changes_are_read_and_never_written(hypernet):
    memory = _memory(hypernet)
    changes = {name: torch.full_like(p, 0.1, requires_grad=True) for name, p in hypernet.named_parameters()}
    before = {name: p.clone() for name, p in hypernet.named_parameters()}
    output_change(hypernet, memory, changes=changes).backward()
    assert all(change.grad is None for change in changes.values())
    assert all(p.equal(before[name]) for name, p in hypernet.named_parameters())


def test_changes_of_old_embeddings_do_not_count(hypernet):
    memory = _memory(hypernet)
    changes = {f"encoder.rows.{i}": torch.ones(4, dtype=torch.float64) for i in range(CONTEXTS)}
    assert output_change(hypernet, memory, changes=changes).item() == 0


def test_an_unknown_change_is_named(hypernet):
    with pytest.raises(ConfigError, match=r"no parameter 'hypernet\.head.*relative to the hypernet"):
        output_change(hypernet, _memory(hypernet), changes={"hypernet.head.linear.bias": torch.zeros(7)})


def test_some_contexts_are_drawn_without_replacement(hypernet):
    memory = _memory(hypernet)
    _shift(hypernet)
    single = torch.stack([output_change(hypernet, memory[torch.tensor([i])]) for i in range(3)])
    pairs = torch.stack([(single[i] + single[j]) / 2 for i, j in ((0, 1), (0, 2), (1, 2))])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([output_change(hypernet, memory, num=2, generator=generator) for _ in range(20)])
    which = (drawn[:, None] - pairs).abs().argmin(dim=1)
    torch.testing.assert_close(drawn, pairs[which])
    assert set(which.tolist()) == {0, 1, 2}
    torch.testing.assert_close(output_change(hypernet, memory, num=9), output_change(hypernet, memory))


def test_a_draw_of_nothing_is_refused(hypernet):
    with pytest.raises(ConfigError, match="num: expected 1 context or more, or None for all, got 0"):
        output_change(hypernet, _memory(hypernet), num=0)


def test_importance_weighs_each_number(hypernet):
    contexts = torch.arange(3)
    importance = {name: torch.rand_like(w) for name, w in hypernet(contexts).items()}
    importance["2.bias"][1] = 0
    memory = remember(hypernet, contexts, importance=importance)
    _shift(hypernet)
    after = hypernet(contexts)
    by_hand = sum((importance[n] * (after[n] - memory.weights[n]).square()).sum() for n in after) / 3
    torch.testing.assert_close(output_change(hypernet, memory), by_hand)
    picked = memory[torch.tensor([2, 0])]
    assert picked.importance["2.bias"].equal(importance["2.bias"][[2, 0]])


def test_importance_that_does_not_fit_is_named(hypernet):
    importance = {name: torch.ones_like(w) for name, w in hypernet(torch.arange(2)).items()}
    with pytest.raises(ConfigError, match=r"importance of '0\.weight': expected \(3, 5, 3\), got \(2, 5, 3\)"):
        remember(
            hypernet,
            torch.arange(3),
            importance=importance
            | {n: importance[n] for n in ["0.weight"]}
            | {n: torch.ones_like(w) for n, w in hypernet(torch.arange(3)).items() if n != "0.weight"},
        )
