import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.errors import ConfigError

MIXERS = {
    "attention": lambda features: bodies.Attention(features, 8),
    "rnn": lambda features: bodies.RNN(features, 8),
    "lstm": lambda features: bodies.RNN(features, 8, cell="lstm", layers=2),
    "cnn": lambda features: bodies.CNN(features, 8),
    "cnn-residual": lambda features: bodies.CNN(features, 8, 8, norm="layer", residual=True),
}
every_mixer = pytest.mark.parametrize("make", MIXERS.values(), ids=list(MIXERS))


@every_mixer
def test_the_error_says_what_to_add(make) -> None:
    words = r"expected features \(\*contexts, slots, 5\), got \(5,\)\. Add slots=encoders\.Slots"
    with pytest.raises(ConfigError, match=words):
        make(5)(torch.randn(5))


@every_mixer
def test_a_hypernet_with_slots_trains_and_is_saved(make, tmp_path) -> None:
    def net() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))

    target = hd.Target(net())
    head = heads.ComponentHead(8, target.layout)
    hypernet = hd.Hypernet(encoder=encoders.Table(3, 4), slots=encoders.Slots(head.slots, 2), body=make(6), head=head)
    model = hd.HyperDNN(target, hypernet)
    x, context = torch.randn(3, 16, 2), torch.arange(3)
    y = x.sum(-1, keepdim=True) * (context - 1).view(3, 1, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = (model(x, context=context) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=net())
    assert torch.equal(loaded(x, context=context), model(x, context=context))
