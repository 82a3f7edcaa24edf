import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import ParamLayout, bodies, encoders
from hyperdnn.errors import ConfigError
from hyperdnn.heads import FlatHead


def test_the_features_are_the_weights() -> None:
    layout = ParamLayout.of(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)))
    head, features = FlatHead(layout), torch.randn(2, 5, layout.numel)
    assert layout.join(head(features)).equal(features)
    assert (list(head.parameters()), head.hidden, head.slots) == ([], 24, None)


def test_a_body_of_another_width_is_refused() -> None:
    layout = ParamLayout.of(nn.Linear(3, 4))
    with pytest.raises(ConfigError, match="head FlatHead takes 16 hidden, but the body's output is 15 wide"):
        hd.Hypernet(encoder=encoders.Noise(15), body=bodies.Flow(15), head=FlatHead(layout))


def test_a_flow_before_it_is_saved_and_loaded(tmp_path) -> None:
    def build() -> hd.HyperDNN:
        target = hd.Target(nn.Linear(3, 4))
        body = bodies.Flow(16, couplings=2, width=5, start=-1.0)
        return hd.HyperDNN(target, hd.Hypernet(encoder=encoders.Noise(16), body=body, head=FlatHead(target.layout)))

    model = build()
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=nn.Linear(3, 4))
    noise, x = model.hypernet.encoder.sample(5), torch.randn(7, 3)
    assert loaded.ensemble(noise)(x).equal(model.ensemble(noise)(x))
    assert (loaded.hypernet.body.start, loaded.hypernet.body.couplings, loaded.hypernet.body.width) == (-1.0, 2, 5)
