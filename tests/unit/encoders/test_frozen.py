import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, heads
from hyperdnn.encoders import FromModule, Frozen, Image, Vector
from hyperdnn.errors import ConfigError


def trunk() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.5))


def test_nothing_in_it_is_trained() -> None:
    encoder = Frozen(FromModule(trunk(), 5))
    assert encoder.features == 5
    assert [p for p in encoder.parameters() if p.requires_grad] == []
    assert not encoder(torch.randn(4, 3)).requires_grad


@pytest.mark.parametrize("mode", [True, False])
def test_it_stays_in_evaluation_mode_whatever_is_said_around_it(mode: bool) -> None:
    encoder = Frozen(FromModule(trunk(), 5))
    outer = nn.Sequential(encoder, nn.Dropout())
    assert outer.train(mode).training is mode
    assert encoder.training is mode
    assert not any(module.training for module in encoder.encoder.modules())
    x, before = torch.randn(4, 3), {name: value.clone() for name, value in encoder.state_dict().items()}
    assert torch.equal(encoder(x), encoder(x))
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_a_context_that_is_trained_gets_its_gradient() -> None:
    encoder, prompt = Frozen(FromModule(trunk(), 5)), torch.zeros(4, 3, requires_grad=True)
    encoder(prompt).square().sum().backward()
    assert prompt.grad.any()
    assert all(p.grad is None for p in encoder.parameters())


def test_an_optimiser_leaves_it_as_it_is_and_a_copy_stays_frozen(tmp_path: object) -> None:
    target = hd.Target(nn.Linear(2, 2))
    head = heads.FullHead(8, target.layout)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=Frozen(Image(1, 4, widths=(3,))), body=bodies.MLP(4, 8), head=head))
    assert "encoder" not in [group["name"] for group in model.parameter_groups()]
    before = [p.clone() for p in model.hypernet.encoder.parameters()]
    optimizer = torch.optim.AdamW(model.parameter_groups(), weight_decay=0.1)
    images, x = torch.randn(3, 1, 4, 4), torch.randn(3, 5, 2)
    model(x, context=images).square().sum().backward()
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, model.hypernet.encoder.parameters(), strict=True))
    model.save_pretrained(tmp_path)
    encoder = Frozen(Image(1, 4, widths=(3,)))
    again = hd.HyperDNN.from_pretrained(tmp_path, target=nn.Linear(2, 2), encoder=encoder)
    assert torch.equal(again(x, context=images), model(x, context=images))
    assert not any(p.requires_grad for p in again.hypernet.encoder.parameters())


def test_an_encoder_must_declare_its_width() -> None:
    assert Frozen(Vector(3)).features == 3
    with pytest.raises(ConfigError, match=r"Frozen: Linear does not declare its features\. Wrap it"):
        Frozen(nn.Linear(3, 5))
