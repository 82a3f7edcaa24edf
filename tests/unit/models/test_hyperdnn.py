import copy
import math

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, targets
from hyperdnn.errors import ConfigError, ContextError, LayoutError


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def model(**options: object) -> hd.HyperDNN:
    torch.manual_seed(0)
    return hd.HyperDNN.for_tasks(net(), 3, hidden=8, features=5, **options)


class Constant(nn.Module):
    """A hypernet of one's own: any module that declares a layout."""

    def __init__(self, layout: hd.ParamLayout) -> None:
        super().__init__()
        self.layout = layout
        self.flat = nn.Parameter(torch.randn(layout.numel))

    def forward(self, context: Tensor) -> dict[str, Tensor]:
        return self.layout.split(context[..., None] * self.flat)


def test_forward_is_generate_and_call() -> None:
    m, x = model(), torch.randn(6, 3)
    weights = m.generate(torch.tensor(1))
    assert torch.equal(m(x, context=torch.tensor(1)), m.call(weights, x))
    assert torch.equal(m.call(weights, x), m.target(weights, x))


def test_many_contexts_are_batched() -> None:
    m, x = model(), torch.randn(3, 6, 3)
    weights = m.generate(torch.arange(3))
    assert torch.equal(m(x, context=torch.arange(3)), m.target.batched(weights, x))
    assert m(x[:1], context=torch.tensor([1])).shape == (1, 6, 2)


def test_paired_and_grouped_mirror_the_target() -> None:
    m, x, context = model(), torch.randn(4, 3), torch.tensor([2, 0, 2, 1])
    expected = torch.stack([m(x[i : i + 1], context=c)[0] for i, c in enumerate(context)])
    torch.testing.assert_close(m.paired(x, context=context), expected)
    torch.testing.assert_close(m.grouped(x, context=context), expected)
    torch.testing.assert_close(m.grouped(x, context=torch.arange(3), index=context), expected)


def test_grouped_generates_each_distinct_context_once() -> None:
    m, seen = model(), []
    m.hypernet.register_forward_pre_hook(lambda module, args: seen.append(args[0].tolist()))
    m.grouped(torch.randn(4, 3), context=torch.tensor([2, 0, 2, 0]))
    assert seen == [[0, 2]]


def test_grouped_finds_equal_vectors() -> None:
    m = hd.HyperDNN.for_vectors(net(), 5, hidden=8)
    rows, x = torch.randn(2, 5), torch.randn(4, 3)
    context = rows[[1, 0, 1, 1]]
    torch.testing.assert_close(m.grouped(x, context=context), m.paired(x, context=context))


@pytest.mark.parametrize("target", [nn.Linear(3, 2), nn.Linear(600, 600)], ids=["full head", "chunked head"])
def test_a_single_number_starts_with_weights_of_its_own(target: nn.Module) -> None:
    torch.manual_seed(0)
    m = hd.HyperDNN.for_vectors(target, 1, hidden=16)
    near, far = m.generate(torch.tensor([[0.25], [1.0]]))["weight"]
    assert (near - far).std() > 0.03 * near.std()


def test_a_hypernet_of_ones_own() -> None:
    target = hd.Target(net())
    m = hd.HyperDNN(target, Constant(target.layout))
    assert m(torch.randn(2, 6, 3), context=torch.tensor([1.0, 2.0])).shape == (2, 6, 2)
    assert [group["name"] for group in m.parameter_groups()] == ["hypernet"]


def test_a_hypernet_must_fit_its_target() -> None:
    with pytest.raises(ConfigError, match="Identity declares no layout"):
        hd.HyperDNN(hd.Target(net()), nn.Identity())
    other = hd.ParamLayout.of(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)))
    with pytest.raises(LayoutError, match=r"built for another target: in its layout '0\.weight' is \(5, 3\)"):
        hd.HyperDNN(hd.Target(net()), Constant(other))


def test_parameter_groups_hold_every_trained_parameter_once_by_role() -> None:
    target = hd.Target(net(), "2.*")
    target.module[0].bias.requires_grad_(False)
    head = heads.ChunkedHead(8, target.layout, 4)
    hypernet = hd.Hypernet(
        encoder=encoders.Table(3, 5), slots=encoders.Slots(head.slots, 2), body=bodies.MLP(7, 8), head=head
    )
    m = hd.HyperDNN(target, hypernet)
    groups = {group["name"]: group["params"] for group in m.parameter_groups()}
    assert list(groups) == ["encoder", "slots", "body", "head", "kept"]
    assert [len(groups[name]) for name in groups] == [3, 1, 2, 3, 1]
    assert groups["kept"] == [target.module[0].weight]
    every = [id(p) for params in groups.values() for p in params]
    assert sorted(every) == sorted(id(p) for p in m.parameters() if p.requires_grad)
    torch.optim.SGD(m.parameter_groups(), 0.1)


def test_a_parameter_with_two_roles_counts_for_the_first() -> None:
    target = hd.Target(net())
    body = nn.Linear(8, 8)
    encoder = nn.Sequential(nn.Linear(5, 8), body)
    m = hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=body, head=heads.FullHead(8, target.layout)))
    assert [group["name"] for group in m.parameter_groups()] == ["encoder", "head"]


def test_a_trained_base_is_kept() -> None:
    target = hd.Target(net(), combine=targets.Residual(), train_base=True)
    m = hd.HyperDNN(target, Constant(target.layout))
    groups = {group["name"]: len(group["params"]) for group in m.parameter_groups()}
    assert groups == {"hypernet": 1, "kept": 4}


def test_count() -> None:
    m = model(select="2.*")
    c = m.count()
    hypernet = 3 * 5 + (5 + 1) * 8 + (8 + 1) * 8 + (8 + 1) * 10
    assert (c.hypernet, c.generated, c.deployed) == (hypernet, 10, 26)
    assert (c.trained, c.total) == (hypernet + 16, hypernet + 16)


def test_count_of_a_change() -> None:
    target = hd.Target(net(), "2.weight", combine=targets.LowRank(1))
    c = hd.HyperDNN(target, Constant(target.layout)).count()
    assert (c.generated, c.deployed) == (2 + 4, 26)
    assert (c.trained, c.total) == (6 + 18, 6 + 18 + 8)


def test_the_printed_line(capsys: pytest.CaptureFixture[str]) -> None:
    m = model(select="2.*")
    m.target.module[0].weight.requires_grad_(False)
    m.print_trainable_parameters()
    assert capsys.readouterr().out == (
        "trainable params: 229 || all params: 241 || trainable%: 95.0207 || generated: 10 || compression ratio: 0.04\n"
    )


def test_a_model_without_parameters_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    target = hd.Target(net())
    fixed = Constant(target.layout)
    del fixed.flat
    hd.HyperDNN(target, fixed).print_trainable_parameters()
    assert "trainable params: 0 || all params: 0" in capsys.readouterr().out


@pytest.mark.parametrize("contexts", [torch.arange(3), torch.tensor([1]), torch.tensor([[0, 1, 2], [2, 1, 0]])])
def test_an_ensemble_runs_all_contexts_on_one_batch(contexts: Tensor) -> None:
    m, x = model(), torch.randn(6, 3)
    y = m.ensemble(contexts)(x)
    assert y.shape == (*contexts.shape, 6, 2)
    for row, context in zip(y.flatten(0, -3), contexts.flatten(), strict=True):
        assert torch.allclose(row, m(x, context=context), atol=1e-6)


def test_an_ensemble_is_generated_once() -> None:
    m, x = model(), torch.randn(6, 3)
    calls = []
    m.hypernet.register_forward_hook(lambda *_: calls.append(1))
    members = m.ensemble(torch.arange(3))
    before = members(x)
    with torch.no_grad():
        for parameter in m.hypernet.parameters():
            parameter.add_(1)
    assert torch.equal(members(x), before)
    assert len(calls) == 1


def test_an_ensemble_follows_kept_parameters_and_the_mode() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(1.0), nn.Linear(4, 2))
    m, x = hd.HyperDNN.for_tasks(module, 3, select="0.*"), torch.randn(6, 3)
    members = m.ensemble(torch.arange(3))
    dropped = m.target.module[2].bias.expand(3, 6, 2)  # all that is left when everything before it is dropped
    assert torch.equal(members(x), dropped)
    with torch.no_grad():
        m.target.module[2].bias.add_(1)
    assert torch.equal(members(x), dropped)
    m.eval()
    assert not torch.allclose(members(x), dropped)


def test_gradients_of_an_ensemble_reach_the_hypernet_unless_switched_off() -> None:
    m, x = model(), torch.randn(6, 3)
    m.ensemble(torch.arange(3))(x).square().sum().backward()
    got = {name: p.grad.clone() for name, p in m.named_parameters()}
    m.zero_grad()
    m(x.expand(3, 6, 3), context=torch.arange(3)).square().sum().backward()
    assert all(torch.allclose(got[name], p.grad, rtol=1e-4, atol=1e-5) for name, p in m.named_parameters())
    with torch.no_grad():
        members = m.ensemble(torch.arange(3))
    assert not members(x).requires_grad


def test_an_ensemble_takes_the_options_of_batched() -> None:
    m, x = model(), torch.randn(6, 3)
    members = m.ensemble(torch.arange(3))
    assert torch.allclose(members(x, mode="loop"), members(x), atol=1e-6)


def test_an_ensemble_of_a_single_context_is_refused() -> None:
    with pytest.raises(ContextError, match="an ensemble is of many contexts, got a single one: use bake"):
        model().ensemble(torch.tensor(1))


def test_bake_equals_the_call_and_has_no_graph() -> None:
    m, x = model(), torch.randn(6, 3)
    baked = m.bake(torch.tensor(1))
    assert type(baked) is nn.Sequential
    assert torch.equal(baked(x), m(x, context=torch.tensor(1)))
    assert all(p.is_leaf for p in baked.parameters())


def test_training_lowers_the_loss_of_hypernet_and_kept_part() -> None:
    m = model(select="2.*")
    x, y = torch.randn(3, 20, 3), torch.randn(3, 20, 2)
    kept = m.target.module[0].weight.detach().clone()
    optimizer = torch.optim.Adam(m.parameter_groups(), 0.01)
    losses = []
    for _ in range(50):
        loss = (m(x, context=torch.arange(3)) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert math.isfinite(losses[-1])
    assert not torch.equal(m.target.module[0].weight, kept)


def test_a_copy_is_independent() -> None:
    m, x = model(), torch.randn(6, 3)
    again = copy.deepcopy(m)
    before = m(x, context=torch.tensor(0))
    with torch.no_grad():
        for p in again.parameters():
            p.add_(1)
    assert torch.equal(m(x, context=torch.tensor(0)), before)
