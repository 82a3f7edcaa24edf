import copy
import pickle

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import ConfigError
from hyperdnn.optim import FactoredGradient, RankAdam


def build(
    contexts: int, dtype: torch.dtype, *, chunk: int | None = None, seed: int = 0
) -> tuple[hd.HyperDNN, torch.Tensor]:
    torch.manual_seed(seed)
    target = hd.Target(nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)))
    encoder, width, slots = hd.encoders.Table(contexts, 4), 4, None
    if chunk is None:
        head = hd.heads.FullHead(6, target.layout)
    else:
        head = hd.heads.ChunkedHead(6, target.layout, chunk)
        slots, width = hd.encoders.Slots(head.slots, 2), 6
    body = hd.bodies.MLP(width, 6)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=encoder, slots=slots, body=body, head=head)).to(dtype)
    return model, torch.randn(contexts, 7, 3, dtype=dtype)


def train(model, optimizer, x, steps):
    for step in range(steps):
        optimizer.zero_grad()
        loss = (model(x, context=torch.arange(len(x))) - step / steps).square().mean()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("contexts", [1, 2, 5, 16])
def test_equals_adam_over_a_hundred_steps(contexts, weight_decay):
    model, x = build(contexts, torch.float64)
    reference = copy.deepcopy(model)
    train(model, RankAdam(model, lr=1e-2, weight_decay=weight_decay), x, 100)
    train(reference, torch.optim.Adam(reference.parameters(), lr=1e-2, weight_decay=weight_decay), x, 100)
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_equals_adam_in_single_precision_for_one_context():
    # From this start several units of the body are active. A single one would have no gradient but its rounding, of
    # which both optimisers make whole steps, each its own.
    model, x = build(1, torch.float32, seed=2)
    reference = copy.deepcopy(model)
    train(model, RankAdam(model, lr=1e-2), x, 100)
    train(reference, torch.optim.Adam(reference.parameters(), lr=1e-2), x, 100)
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_matrices_larger_than_a_block(monkeypatch):
    monkeypatch.setattr("hyperdnn.optim._rank_adam._BLOCK", 20)  # three rows of six, the last block smaller
    model, x = build(2, torch.float64, chunk=8)
    reference = copy.deepcopy(model)
    train(model, RankAdam(model), x, 20)
    train(reference, torch.optim.Adam(reference.parameters()), x, 20)
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def test_the_gradient_is_never_formed():
    model, x = build(2, torch.float32)
    RankAdam(model)
    model(x, context=torch.arange(2)).sum().backward()
    gradient = model.hypernet.head.linear.weight.grad
    assert isinstance(gradient, FactoredGradient)
    assert gradient.shape == model.hypernet.head.linear.weight.shape
    assert gradient.left.shape == (2, model.target.layout.numel)
    assert "rank at most 2" in repr(gradient)
    product = gradient.left.T @ gradient.right
    reference, _ = build(2, torch.float32)
    reference(x, context=torch.arange(2)).sum().backward()
    torch.testing.assert_close(product, reference.hypernet.head.linear.weight.grad)


@pytest.mark.parametrize(
    "use",
    [
        lambda model, optimizer: nn.utils.clip_grad_norm_(model.parameters(), 1.0),
        lambda model, optimizer: nn.utils.clip_grad_value_(model.parameters(), 1.0),
        lambda model, optimizer: optimizer.zero_grad(set_to_none=False),
        lambda model, optimizer: torch.optim.Adam(model.parameters()).step(),
        lambda model, optimizer: [p.grad.mul_(0.5) for p in model.parameters()],
    ],
    ids=["norm", "value", "zero", "adam", "scale"],
)
def test_what_cannot_be_honoured_is_refused(use):
    model, x = build(2, torch.float32)
    optimizer = RankAdam(model)
    model(x, context=torch.arange(2)).sum().backward()
    with pytest.raises(ConfigError, match=r"two factors.*cannot be clipped.*Adam\(fused=True\)"):
        use(model, optimizer)


def test_accumulation_is_refused():
    model, x = build(2, torch.float32)
    RankAdam(model)
    model(x, context=torch.arange(2)).sum().backward()
    with pytest.raises(ConfigError, match="second backward before the step"):
        model(x, context=torch.arange(2)).sum().backward()


def test_a_head_that_generates_twice_in_one_step_is_refused():
    model, x = build(2, torch.float32)
    RankAdam(model)
    both = model(x, context=torch.arange(2)) + model(x, context=torch.arange(2))
    with pytest.raises(ConfigError, match="second backward"):
        both.sum().backward()


def test_release_hands_the_gradients_back():
    model, x = build(2, torch.float32)
    optimizer = RankAdam(model)
    train(model, optimizer, x, 2)
    optimizer.release()
    model(x, context=torch.arange(2)).sum().backward()
    assert type(model.hypernet.head.linear.weight.grad) is torch.Tensor


def test_a_copy_of_the_model_is_free():
    model, x = build(2, torch.float32)
    RankAdam(model)
    other = copy.deepcopy(model)
    other(x, context=torch.arange(2)).sum().backward()
    assert type(other.hypernet.head.linear.weight.grad) is torch.Tensor


def test_where_the_gradient_comes_whole_it_is_used_whole():
    model, x = build(2, torch.float64)
    reference = copy.deepcopy(model)
    for some, optimizer in ((model, RankAdam(model)), (reference, torch.optim.Adam(reference.parameters()))):
        some.hypernet.head.linear.register_forward_hook(lambda module, args, output: 2 * output)
        train(some, optimizer, x, 10)
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def test_state_is_adams():
    model, x = build(2, torch.float64)
    reference = copy.deepcopy(model)
    optimizer = RankAdam(model)
    train(model, optimizer, x, 5)
    other = torch.optim.Adam(reference.parameters())
    train(reference, other, x, 5)
    assert optimizer.state_dict()["state"].keys() == other.state_dict()["state"].keys()
    again = RankAdam(reference)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(model, optimizer, x, 5)
    train(reference, again, x, 5)
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def test_frozen_parameters_stay():
    model, x = build(2, torch.float32)
    model.hypernet.encoder.requires_grad_(False)
    before = copy.deepcopy(model.hypernet.encoder.state_dict())
    train(model, RankAdam(model), x, 3)
    torch.testing.assert_close(dict(model.hypernet.encoder.state_dict()), dict(before))


def test_closure():
    # From this start several units of the body are active. A single one would have no gradient but its rounding, of
    # which both optimisers make whole steps, each its own.
    model, x = build(1, torch.float32, seed=2)
    optimizer = RankAdam(model)

    def closure():
        optimizer.zero_grad()
        loss = model(x, context=torch.arange(1)).square().mean()
        loss.backward()
        return loss

    assert optimizer.step(closure) > optimizer.step(closure)


def test_errors():
    model, _ = build(1, torch.float32)
    with pytest.raises(ConfigError, match=r"Linear has no head.*Adam\(fused=True\)"):
        RankAdam(nn.Linear(2, 2))
    with pytest.raises(ConfigError, match=r"lr of 0 or more, got -1\.0"):
        RankAdam(model, lr=-1.0)
    with pytest.raises(ConfigError, match="betas in"):
        RankAdam(model, betas=(0.9, 1.0))
    model.hypernet.head.linear.weight.requires_grad_(False)
    with pytest.raises(ConfigError, match="no head with a trained output map"):
        RankAdam(model)


@pytest.mark.parametrize("options", [{}, {"fused": True}, {"foreach": True}, {"lr": torch.tensor(1e-3)}])
def test_state_goes_to_adam_and_back(options):
    model, x = build(2, torch.float64)
    reference = copy.deepcopy(model)
    ours, theirs = RankAdam(model), torch.optim.Adam(reference.parameters(), **options)
    train(model, ours, x, 3)
    train(reference, theirs, x, 3)
    other, again = torch.optim.Adam(reference.parameters(), **options), RankAdam(model)
    other.load_state_dict(copy.deepcopy(ours.state_dict()))
    again.load_state_dict(copy.deepcopy(theirs.state_dict()))
    train(model, again, x, 3)
    train(reference, other, x, 3)
    for mine, its in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=1e-9)


@pytest.mark.parametrize("option", ["amsgrad", "maximize", "decoupled_weight_decay"])
def test_state_of_another_adam_is_refused(option):
    model, _ = build(2, torch.float32)
    saved = torch.optim.Adam(model.parameters(), **{option: True}).state_dict()
    with pytest.raises(ConfigError, match=rf"no {option}.*Use torch\.optim\.Adam or AdamW"):
        RankAdam(model).load_state_dict(saved)


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=20),  # moves betas, too
        lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10),
    ],
)
def test_schedulers(make):
    model, x = build(2, torch.float64)
    reference = copy.deepcopy(model)
    for some, optimizer in ((model, RankAdam(model)), (reference, torch.optim.Adam(reference.parameters()))):
        scheduler = make(optimizer)
        for _ in range(8):
            train(some, optimizer, x, 1)
            scheduler.step()
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def test_fabric_wraps_it():
    fabric_of = pytest.importorskip("lightning_fabric").Fabric
    model, x = build(2, torch.float64)
    reference = copy.deepcopy(model)
    fabric = fabric_of(accelerator="cpu")
    wrapped, optimizer = fabric.setup(model, RankAdam(model))
    for _ in range(3):
        optimizer.zero_grad()
        fabric.backward(wrapped(x, context=torch.arange(2)).square().mean())
        optimizer.step()
    other = torch.optim.Adam(reference.parameters())
    for _ in range(3):
        other.zero_grad()
        reference(x, context=torch.arange(2)).square().mean().backward()
        other.step()
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def test_who_asks_for_gradients_gets_them_whole():
    model, x = build(2, torch.float64)
    parameters = list(model.hypernet.parameters())
    expected = torch.autograd.grad(model(x, context=torch.arange(2)).square().sum(), parameters)
    RankAdam(model)
    loss = model(x, context=torch.arange(2)).square().sum()
    found = torch.autograd.grad(loss, parameters, retain_graph=True)
    torch.testing.assert_close(found, expected)
    torch.autograd.grad(loss, parameters[:1], retain_graph=True)
    assert model.hypernet.head.linear.weight.grad is None  # asking leaves nothing behind
    loss.backward()
    assert isinstance(model.hypernet.head.linear.weight.grad, FactoredGradient)


def test_hooks_on_the_matrix_are_honoured():
    model, x = build(2, torch.float32)
    weight = model.hypernet.head.linear.weight
    mask = torch.zeros_like(weight)
    mask[3] = 1
    weight.register_hook(lambda gradient: gradient * mask)
    before = weight.detach().clone()
    train(model, RankAdam(model), x, 3)
    changed = (weight != before).any(1)
    assert changed[3]
    assert changed.sum() == 1


@pytest.mark.parametrize("again", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_model_and_its_optimiser_are_copied_together(again):
    model, x = build(2, torch.float64)
    optimizer = RankAdam(model)
    train(model, optimizer, x, 2)
    other, its = again((model, optimizer))
    train(model, optimizer, x, 2)
    train(other, its, x, 2)
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)
    its.release()


def test_a_model_that_grows_goes_on_with_factors():
    model, x = build(2, torch.float32)
    optimizer = RankAdam(model)
    train(model, optimizer, x, 2)
    model.resize("2", 4, optimizer=optimizer)
    train(model, optimizer, x, 2)
    weight = model.hypernet.head.linear.weight
    assert isinstance(weight.grad, FactoredGradient)
    optimizer.release()
    assert weight.grad is None


def test_the_numbers_count_who_writes_to_them():
    # From this start several units of the body are active. A single one would have no gradient but its rounding, of
    # which both optimisers make whole steps, each its own.
    model, x = build(1, torch.float32, seed=2)
    optimizer = RankAdam(model)
    before = [parameter._version for parameter in model.parameters()]
    train(model, optimizer, x, 1)
    assert all(p._version > version for p, version in zip(model.parameters(), before, strict=True))


def test_its_gradient_can_be_examined():
    model, x = build(2, torch.float32)
    RankAdam(model)
    (model(x, context=torch.arange(2)) * torch.inf).sum().backward()
    found = hd.inspect.health(model).findings
    assert "hypernet's gradient is not finite" in str(found[0])
    assert "head.linear.weight" in found[0].places
