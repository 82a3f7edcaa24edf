"""A wrong context, or data that does not fit the contexts."""

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import encoders, heads
from hyperdnn.errors import BatchingError, ContextError, HyperDNNError

NAN, INF = float("nan"), float("inf")


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.fixture
def tasks() -> hd.HyperDNN:
    return hd.HyperDNN.for_tasks(net(), 5, hidden=8)


@pytest.fixture
def vectors() -> hd.HyperDNN:
    return hd.HyperDNN.for_vectors(net(), 4, hidden=8)


def test_fewer_contexts_than_data(tasks: hd.HyperDNN) -> None:
    words = "context has 3 rows but x has 4; use paired with one context for each sample, grouped with an index"
    with pytest.raises(ContextError, match=words):
        tasks(torch.randn(4, 3), context=torch.arange(3))


def test_fewer_contexts_than_samples_in_paired(tasks: hd.HyperDNN) -> None:
    words = "context has 3 rows but x has 4; paired takes one context for each sample; use grouped with an index"
    with pytest.raises(ContextError, match=words):
        tasks.paired(torch.randn(4, 3), context=torch.arange(3))


def test_one_of_several_inputs_is_too_short(tasks: hd.HyperDNN) -> None:
    weights = tasks.generate(torch.arange(3))
    with pytest.raises(ContextError, match="context has 3 rows but x has 2"):
        tasks.target.batched(weights, torch.randn(3, 6, 3), mask=torch.zeros(2))


def test_several_context_dimensions_are_all_compared(vectors: hd.HyperDNN) -> None:
    with pytest.raises(ContextError, match=r"context has \(2, 3\) rows but x has \(2, 4, 3\)"):
        vectors(torch.randn(2, 4, 3), context=torch.randn(2, 3, 4))


@pytest.mark.parametrize("index", [5, 99, -1])
def test_an_index_beyond_the_table(tasks: hd.HyperDNN, index: int) -> None:
    words = rf"index {index} is beyond the table of 5 contexts \(0 to 4\)\. Add rows with grow\(\)"
    with pytest.raises(ContextError, match=words):
        tasks(torch.randn(6, 3), context=torch.tensor(index))


@pytest.mark.parametrize("index", [5, -1])
def test_an_index_beyond_the_table_cannot_be_frozen(tasks: hd.HyperDNN, index: int) -> None:
    with pytest.raises(ContextError, match=f"index {index} is beyond the table"):
        tasks.hypernet.encoder.freeze([index])


@pytest.mark.parametrize("context", [torch.tensor(1.0), torch.tensor([True]), torch.tensor(1j)])
def test_an_index_that_is_no_integer(tasks: hd.HyperDNN, context: Tensor) -> None:
    with pytest.raises(ContextError, match=r"Table takes integer indices, got torch\..*use encoders\.Vector"):
        tasks.generate(context)


@pytest.mark.parametrize("context", [1, [0, 1], None], ids=repr)
def test_an_index_that_is_no_tensor(tasks: hd.HyperDNN, context: object) -> None:
    with pytest.raises(ContextError, match=r"(?i)tensor"):
        tasks.generate(context)


@pytest.mark.parametrize("context", [[0.0] * 4, None], ids=repr)
def test_a_vector_that_is_no_tensor(vectors: hd.HyperDNN, context: object) -> None:
    with pytest.raises(ContextError, match=r"(?i)tensor"):
        vectors.generate(context)


@pytest.mark.parametrize("maker", ["for_vectors", "for_noise"])
@pytest.mark.parametrize(
    ("context", "words"),
    [
        (
            torch.tensor([[0, 0, 0, 0], [0, NAN, 0, 0]]),
            r"the context is not finite at \[1, 1\] \(nan\)\..*would be NaN",
        ),
        (torch.tensor([0, 0, 0, INF]), r"not finite at \[3\] \(inf\)"),
        (torch.zeros(2, 5), r"expected \(\*contexts, 4\), got \(2, 5\)"),
        (torch.tensor(0.0), r"expected \(\*contexts, 4\), got \(\)"),
        (torch.zeros(4, dtype=torch.int64), r"takes floating-point vectors, got torch\.int64"),
    ],
)
def test_a_vector_that_is_not_finite_or_of_another_width(maker: str, context: Tensor, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        getattr(hd.HyperDNN, maker)(net(), 4).generate(context)


@pytest.mark.parametrize("verb", ["batched", "paired"])
def test_weights_of_one_context_in_a_verb_for_many(tasks: hd.HyperDNN, verb: str) -> None:
    weights = tasks.generate(torch.tensor(1))
    with pytest.raises(BatchingError, match=r"weights are of a single context: call target\(weights, x\)"):
        getattr(tasks.target, verb)(weights, torch.randn(4, 3))


def test_weights_of_many_contexts_in_a_plain_call(tasks: hd.HyperDNN) -> None:
    with pytest.raises(BatchingError, match=r"weights are of \(3,\) contexts: use batched, paired or grouped"):
        tasks.target(tasks.generate(torch.arange(3)), torch.randn(4, 3))


@pytest.mark.parametrize("data_dims", [1, -1, (0, 0), (), "0"])
def test_data_dims_that_mean_nothing(tasks: hd.HyperDNN, data_dims: object) -> None:
    with pytest.raises(BatchingError, match=r"data_dims=.*: expected"):
        tasks(torch.randn(3, 4, 3), context=torch.arange(3), data_dims=data_dims)


@pytest.mark.parametrize("verb", ["batched", "paired"])
def test_a_misspelt_mode_is_not_taken_for_another(tasks: hd.HyperDNN, verb: str) -> None:
    weights = tasks.generate(torch.arange(3))
    with pytest.raises(HyperDNNError, match="mode"):
        getattr(tasks.target, verb)(weights, torch.randn(3, 4, 3), mode="lop")


def test_a_misspelt_randomness_is_ours_too(tasks: hd.HyperDNN) -> None:
    with pytest.raises(HyperDNNError, match="randomness"):
        tasks(torch.randn(3, 4, 3), context=torch.arange(3), randomness="diferent")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (torch.tensor([0, 1, 2, 3]), "index 3: there are weights for contexts 0 to 2"),
        (torch.tensor([0, 1, 2, -1]), "index -1: there are weights for contexts 0 to 2"),
        (torch.tensor([0.0, 1.0, 2.0, 0.0]), r"index: expected integers \(B,\), got torch\.float32 \(4,\)"),
        (torch.tensor([0, 1, 2]), r"index names the contexts of 3 samples, but x is \(4, 3\)"),
        (torch.tensor([[0, 1, 2, 0]]), r"expected integers \(B,\), got torch\.int64 \(1, 4\)"),
        ([0, 1, 2, 0], r"grouped needs index="),
    ],
)
def test_an_index_of_groups_that_does_not_fit(tasks: hd.HyperDNN, index: object, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        tasks.grouped(torch.randn(4, 3), context=torch.arange(3), index=index)


def test_a_context_that_is_no_tensor_needs_an_index(tasks: hd.HyperDNN) -> None:
    with pytest.raises(ContextError, match=r"grouped finds equal contexts in a tensor only: pass .* index="):
        tasks.grouped(torch.randn(4, 3), context=[0, 1, 1, 0])


def test_baking_many_contexts(tasks: hd.HyperDNN) -> None:
    with pytest.raises(
        ContextError, match=r"bake makes one network, got weights of \(3,\) contexts: index one of them"
    ):
        tasks.bake(torch.arange(3))


def test_a_context_of_another_type_is_named_with_the_conversion(vectors: hd.HyperDNN) -> None:
    words = r"MLP computes in torch\.float32 on cpu, the encoder gives torch\.float64 .*\.to\('cpu', torch\.float32\)"
    with pytest.raises(ContextError, match=words):
        vectors.generate(torch.zeros(2, 4).double())
    with pytest.raises(ContextError, match=r"the encoder gives torch\.float32 on meta"):
        vectors.generate(torch.zeros(2, 4, device="meta"))


def test_an_error_of_the_bodys_own_stays_what_it_is() -> None:
    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 8)

        def forward(self, features: Tensor) -> Tensor:
            raise RuntimeError("mine")

    target = hd.Target(net())
    hypernet = hd.Hypernet(encoder=encoders.Vector(4), body=Body(), head=heads.FullHead(8, target.layout))
    with pytest.raises(RuntimeError, match="mine"):
        hypernet(torch.zeros(4))


@pytest.mark.parametrize(
    "context", [torch.zeros(2).long().to_sparse(), torch.zeros(2, dtype=torch.int64, device="meta")]
)
def test_indices_without_values_at_hand(tasks: hd.HyperDNN, context: Tensor) -> None:
    with pytest.raises(ContextError, match="Table takes dense indices on a device with values, got torch"):
        tasks.generate(context)


@pytest.mark.parametrize("make", [encoders.Image, encoders.Cells])
@pytest.mark.parametrize("shape", [(2, 0, 5), (3, 2, 4, 0)])
def test_an_image_without_a_pixel(make: type[encoders.Image], shape: tuple[int, ...]) -> None:
    with pytest.raises(ContextError, match=rf"{make.__name__}: expected images of one pixel or more, got"):
        make(2, 5, widths=(4,))(torch.zeros(shape))


def test_what_a_module_of_ones_own_makes_of_a_context() -> None:
    encoder = encoders.FromModule(nn.Linear(3, 4), 4)
    with pytest.raises(ContextError, match="a context of Linear is a tensor, got list"):
        encoder([1.0])
    with pytest.raises(ContextError, match=r"Linear: what it makes of the context is not finite at \[0\]"):
        encoder(torch.tensor([NAN, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("encoder", "context", "words"),
    [
        (
            encoders.Set(3, 4, hidden=8),
            (torch.zeros(2, 3), torch.ones(2, dtype=torch.bool, device="meta")),
            "Set: the mask is on meta, what it masks on cpu",
        ),
        (
            encoders.Graph(3, 4, hidden=8),
            (torch.zeros(2, 3), torch.zeros(2, 2), torch.ones(2, dtype=torch.bool, device="meta")),
            "Graph: the mask is on meta, the nodes are on cpu",
        ),
        (
            encoders.Graph(3, 4, hidden=8),
            (torch.zeros(2, 3), torch.zeros(2, 2).half()),
            "Graph computes in torch.float32",
        ),
        (
            encoders.Sequence(3, 4),
            (torch.zeros(2, 3), torch.tensor(1, device="meta")),
            "Sequence: the lengths are on meta, the steps on cpu",
        ),
        (encoders.Sequence(3, 4), (torch.zeros(2, 3), torch.tensor(1j)), "expected integer lengths"),
        (encoders.Set(3, 4, hidden=8), torch.zeros(2, 3).double(), "Set computes in torch.float32"),
        (
            encoders.Join(encoders.Vector(2), encoders.Vector(2)),
            (torch.zeros(2), torch.zeros(2, device="meta")),
            "Join: the contexts must be on one device, got features on cpu, meta",
        ),
        (encoders.LearnedNoise(2), torch.zeros(2, device="meta"), "LearnedNoise is on cpu, the context on meta"),
        (encoders.Fourier(2, 3), torch.zeros(2, device="meta"), "Fourier is on cpu, the context on meta"),
    ],
    ids=str,
)
def test_parts_of_a_context_that_do_not_fit_the_encoder(encoder: nn.Module, context: object, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        encoder(context)
