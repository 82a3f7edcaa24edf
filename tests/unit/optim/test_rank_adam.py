import copy

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import ConfigError
from hyperdnn.optim import FactoredGradient, RankAdam


def build(contexts: int, dtype: torch.dtype, *, chunk: int | None = None) -> tuple[hd.HyperDNN, torch.Tensor]:
    torch.manual_seed(0)
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
    model, x = build(1, torch.float32)
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
    model, x = build(1, torch.float32)
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
