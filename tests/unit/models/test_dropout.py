import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.errors import ConfigError
from hyperdnn.models import keep_dropout
from hyperdnn.nn import HyperLSTM, Recurrent

DRAWS = torch.zeros(6, dtype=torch.long)


def model(dropout: float = 0.3, reparametrize: str = "spectral") -> hd.HyperDNN:
    """Of one context, in evaluation; its body has been in training, so that the spectral norms could move."""
    target = hd.Target(nn.Sequential(nn.Linear(2, 5), nn.Dropout(0.9), nn.Linear(5, 1)))
    body = bodies.MLP(3, 20, 20, dropout=dropout, reparametrize=reparametrize)
    head = heads.FullHead(20, target.layout)
    return hd.HyperDNN(target, hd.Hypernet(encoder=encoders.Table(2, 3), body=body, head=head)).eval()


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def distinct(outputs: torch.Tensor) -> int:
    return len(outputs.unique(dim=0))


def test_draws_differ_while_it_is_kept_and_only_then() -> None:
    m, x = model(), torch.randn(7, 2)
    assert distinct(m.ensemble(DRAWS)(x)) == 1
    with keep_dropout(m.hypernet):
        assert distinct(m.ensemble(DRAWS)(x)) == 6
    assert distinct(m.ensemble(DRAWS)(x)) == 1


def test_a_draw_is_one_function_of_all_samples() -> None:
    """The same sample twice in a batch has the same output; and the target's own dropout stays off."""
    m, x = model(), torch.randn(1, 2).expand(9, 2)
    with keep_dropout(m.hypernet):
        outputs = m.ensemble(DRAWS)(x)
    assert outputs.eq(outputs[:, :1]).all()


def test_spectral_norms_stay_where_they_are() -> None:
    m = model()
    for mode in (False, True):
        m.train(mode)
        before = state(m)
        with keep_dropout(m.hypernet):
            m.generate(DRAWS)
        assert all(tensor.equal(before[name]) for name, tensor in m.state_dict().items())
    m.generate(DRAWS)  # whereas in training they move
    assert not all(tensor.equal(before[name]) for name, tensor in m.state_dict().items())


def test_every_module_gets_its_own_mode_back_even_after_an_error() -> None:
    m = model()
    m.hypernet.body.layers[0].train()
    before = [module.training for module in m.modules()]
    with keep_dropout(m.hypernet):
        assert m.hypernet.body.layers[2].training
        assert not m.hypernet.body.layers[0].training
    assert [module.training for module in m.modules()] == before
    with pytest.raises(RuntimeError), keep_dropout(m.hypernet):
        m.hypernet.body(torch.ones(6, 4))
    assert [module.training for module in m.modules()] == before


def test_it_nests() -> None:
    m = model()
    with keep_dropout(m.hypernet), keep_dropout(m.hypernet.body):
        assert distinct(m.hypernet.body(torch.ones(6, 3))) == 6
    assert distinct(m.hypernet.body(torch.ones(6, 3))) == 1


def test_masks_are_shared_between_contexts_on_request() -> None:
    """Two arms of one draw: their difference is then that of two functions, free of the mask's noise."""
    m = model()
    arms = torch.ones(6, 2, dtype=torch.long)  # the same arm twice, so that only masks can differ
    with keep_dropout(m.hypernet):
        shared = torch.vmap(m.hypernet, in_dims=1, out_dims=1, randomness="same")(arms)["0.weight"]
        own = m.hypernet(arms)["0.weight"]
    assert shared[:, 0].equal(shared[:, 1])
    assert distinct(shared[:, 0].flatten(1)) == 6
    assert not own[:, 0].equal(own[:, 1])


def test_without_dropout_it_is_refused() -> None:
    message = r"Hypernet has no dropout that could stay on: all draws would be the same\. Build it with dropout"
    with pytest.raises(ConfigError, match=message), keep_dropout(model(dropout=0.0).hypernet):
        pass


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize(
    "layer",
    [
        nn.LSTM(3, 3, 2, dropout=0.5, batch_first=True),
        Recurrent(nn.LSTM(3, 3, 2, dropout=0.5, batch_first=True)),
        HyperLSTM(3, 4, 2, 2, recurrent_dropout=0.5, batch_first=True),
        nn.TransformerEncoderLayer(3, 1, 4, dropout=0.5, batch_first=True),
        nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 4, dropout=0.5, batch_first=True), 2),
    ],
    ids=["lstm", "taken over", "hyper lstm", "layer", "transformer"],
)
def test_layers_with_dropout_of_their_own_count(layer: nn.Module, gradients: bool) -> None:
    layer.eval()
    x = torch.ones(6, 4, 4 if isinstance(layer, nn.TransformerEncoder) else 3)

    def outputs() -> torch.Tensor:
        out = layer(x)
        return out[0] if isinstance(out, tuple) else out

    with torch.set_grad_enabled(gradients), keep_dropout(layer):
        assert distinct(outputs().flatten(1)) == 6
    assert not layer.training
    assert torch.backends.mha.get_fastpath_enabled()
