import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

from hyperdnn.errors import BatchingError
from hyperdnn.nn import Recurrent

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")  # torch's own

LAYERS = {
    "lstm": lambda: nn.LSTM(3, 4),
    "lstm_stacked": lambda: nn.LSTM(3, 4, 2, bidirectional=True),
    "lstm_projected": lambda: nn.LSTM(3, 4, 2, proj_size=2, bidirectional=True),
    "lstm_without_bias": lambda: nn.LSTM(3, 4, bias=False, proj_size=2),
    "gru": lambda: nn.GRU(3, 4),
    "gru_stacked": lambda: nn.GRU(3, 4, 2, bidirectional=True, bias=False),
    "gru_batch_first": lambda: nn.GRU(3, 4, 2, batch_first=True),
    "rnn": lambda: nn.RNN(3, 4, bidirectional=True),
    "rnn_relu": lambda: nn.RNN(3, 4, 2, nonlinearity="relu", batch_first=True),
}


def pair(name: str) -> tuple[nn.RNNBase, Recurrent]:
    torch.manual_seed(0)
    layer = LAYERS[name]()
    return layer, Recurrent(copy.deepcopy(layer))


def state_for(layer: nn.RNNBase, *batch: int) -> Tensor | tuple[Tensor, Tensor]:
    layers = layer.num_layers * (2 if layer.bidirectional else 1)
    hidden = torch.randn(layers, *batch, layer.proj_size or layer.hidden_size)
    return (hidden, torch.randn(layers, *batch, layer.hidden_size)) if layer.mode == "LSTM" else hidden


def flat(output: tuple[Tensor, Tensor | tuple[Tensor, Tensor]]) -> list[Tensor]:
    first, last = output
    return [first, *(last if isinstance(last, tuple) else (last,))]


def mapped(ours: Recurrent, *args: object) -> list[Tensor]:
    """Two contexts with the same weights; returns the second."""
    weights = {name: torch.stack([p, p]) for name, p in ours.named_parameters()}
    outputs = torch.vmap(lambda w: flat(functional_call(ours, w, args)))(weights)
    return [out[1] for out in outputs]


@pytest.mark.parametrize("unbatched", [False, True], ids=["batch", "unbatched"])
@pytest.mark.parametrize("given", [False, True], ids=["zero_state", "given_state"])
@pytest.mark.parametrize("name", LAYERS)
def test_one_context_and_many_equal_torch(name: str, given: bool, unbatched: bool) -> None:
    layer, ours = pair(name)
    x = torch.randn(6, 3) if unbatched else torch.randn(6, 5, 3)
    batch = () if unbatched else (6 if layer.batch_first else 5,)
    args = (x, state_for(layer, *batch)) if given else (x,)
    expected = flat(layer(*args))
    torch.testing.assert_close(flat(ours(*args)), expected, rtol=0, atol=0)
    torch.testing.assert_close(mapped(ours, *args), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_many_contexts_equal_torch(name: str) -> None:
    layer, ours = pair(name)
    x = torch.randn(4, 5, 3)
    expected = torch.autograd.grad(sum(out.square().sum() for out in flat(layer(x))), list(layer.parameters()))
    got = torch.autograd.grad(sum(out.square().sum() for out in mapped(ours, x)), list(ours.parameters()))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("given", [False, True], ids=["zero_state", "given_state"])
@pytest.mark.parametrize("enforce_sorted", [False, True], ids=["any_order", "sorted"])
@pytest.mark.parametrize("name", LAYERS)
def test_packed_sequences_equal_torch(name: str, enforce_sorted: bool, given: bool) -> None:
    layer, ours = pair(name)
    lengths = [6, 4, 4, 1] if enforce_sorted else [4, 1, 6, 4]
    x = pack_sequence([torch.randn(n, 3) for n in lengths], enforce_sorted=enforce_sorted)
    args = (x, state_for(layer, 4)) if given else (x,)
    (packed, last), (expected, expected_last) = ours(*args), layer(*args)
    assert isinstance(packed, PackedSequence)
    torch.testing.assert_close(pad_packed_sequence(packed), pad_packed_sequence(expected), rtol=0, atol=0)
    torch.testing.assert_close(last, expected_last, rtol=0, atol=0)


def test_a_packed_sequence_cannot_be_mapped() -> None:
    _, ours = pair("gru")
    x = pack_padded_sequence(torch.randn(6, 2, 3), torch.tensor([6, 2]))
    with pytest.raises(BatchingError, match=r"GRU: a packed sequence cannot be mapped .* mode='loop'"):
        mapped(ours, x)


@pytest.mark.parametrize("name", LAYERS)
def test_restore_builds_the_layer_again(name: str) -> None:
    layer, ours = pair(name)
    again = ours.restore()
    assert repr(again) == repr(layer)
    assert type(again) is type(layer)
    again.load_state_dict(ours.state_dict())
    x = torch.randn(6, 5, 3)
    torch.testing.assert_close(flat(again(x)), flat(layer(x)), rtol=0, atol=0)


def test_parameters_keep_their_names_and_identity() -> None:
    layer = nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
    before = dict(layer.named_parameters())
    after = dict(Recurrent(layer).named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)


def test_survives_deepcopy_and_another_dtype() -> None:
    _, ours = pair("lstm_stacked")
    again = copy.deepcopy(ours).double()
    x = torch.randn(6, 5, 3)
    torch.testing.assert_close(again(x.double())[0].float(), ours(x)[0])


def test_flatten_parameters_may_be_called() -> None:
    assert pair("gru")[1].flatten_parameters() is None


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
def test_dropout_between_layers_only_in_training(many: bool) -> None:
    torch.manual_seed(0)
    ours = Recurrent(nn.GRU(3, 40, 2, dropout=0.5))
    x = torch.randn(6, 5, 3)

    def run() -> Tensor:
        if not many:
            return ours(x)[0]
        weights = {n: torch.stack([p, p]) for n, p in ours.named_parameters()}
        return torch.vmap(lambda w: functional_call(ours, w, (x,))[0], randomness="different")(weights)

    assert not torch.equal(run(), run())
    ours.eval()
    assert torch.equal(run(), run())


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
@pytest.mark.parametrize(
    ("x", "state", "words"),
    [
        (torch.zeros(3), None, "GRU: expected 2 or 3 input dimensions"),
        (torch.zeros(6, 5, 2), None, "GRU: expected inputs of width 3, got 2"),
        (torch.zeros(0, 5, 3), None, "GRU: expected at least one time step"),
        (torch.zeros(6, 5, 3), torch.zeros(1, 1, 4), r"GRU: expected a state of \(1, 5, 4\), got \(1, 1, 4\)"),
        (torch.zeros(6, 5, 3), torch.zeros(2, 5, 4), r"GRU: expected a state of \(1, 5, 4\), got \(2, 5, 4\)"),
        (torch.zeros(6, 3), torch.zeros(1, 5, 4), r"GRU: expected a state of \(1, 4\), got \(1, 5, 4\)"),
    ],
)
def test_what_torch_refuses_is_refused_for_many_contexts_too(
    x: Tensor, state: Tensor | None, words: str, many: bool
) -> None:
    layer, ours = pair("gru")
    with pytest.raises((ValueError, RuntimeError)):
        layer(x, state)
    with pytest.raises((ValueError, RuntimeError), match=words):
        mapped(ours, x, state) if many else ours(x, state)
