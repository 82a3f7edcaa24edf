import pytest
import torch
from torch import Tensor

from hyperdnn.errors import BatchingError, ContextError
from hyperdnn.targets._grouped import call_grouped

SCALES = {"scale": torch.tensor([1.0, 10.0, 100.0])}


def scale(weights: dict[str, Tensor], inputs: tuple[tuple[Tensor, ...], dict[str, Tensor]]) -> Tensor:
    (x,), _ = inputs
    return x * weights["scale"].reshape(-1, *[1] * (x.ndim - 1))


@pytest.mark.parametrize("index", [[0], [2, 0, 1], [1, 1, 1], [2, 0, 2, 1, 0, 2, 2], [0, 2, 2, 0]])
def test_every_sample_meets_its_context_in_the_order_given(index: list[int]) -> None:
    x = torch.randn(len(index), 2)
    out = call_grouped(scale, SCALES, ((x,), {}), torch.tensor(index))
    assert torch.equal(out, x * SCALES["scale"][index][:, None])


def test_one_call_for_each_size_of_group_and_none_for_unused_contexts() -> None:
    shapes = []

    def watch(weights: dict[str, Tensor], inputs: tuple[tuple[Tensor, ...], dict[str, Tensor]]) -> Tensor:
        shapes.append((tuple(weights["scale"].shape), tuple(inputs[0][0].shape)))
        return scale(weights, inputs)

    weights = {"scale": torch.randn(6)}
    call_grouped(watch, weights, ((torch.randn(7, 2),), {}), torch.tensor([0, 1, 1, 4, 4, 5, 5]))
    assert shapes == [((1,), (1, 1, 2)), ((3,), (3, 2, 2))]


def test_no_sample_gives_an_empty_output() -> None:
    out = call_grouped(scale, SCALES, ((torch.randn(0, 2),), {}), torch.empty(0, dtype=torch.int64))
    assert out.shape == (0, 2)


def test_trees_in_and_out() -> None:
    def both(weights: dict[str, Tensor], inputs: tuple[tuple[object, ...], dict[str, object]]) -> dict[str, object]:
        ((x, y),), kwargs = inputs
        return {"sum": x + y + kwargs["z"], "flag": kwargs["flag"]}

    x, y, z = torch.randn(3, 4, 2)
    out = call_grouped(both, SCALES, (((x, y),), {"z": z, "flag": True}), torch.tensor([2, 0, 2, 1]))
    torch.testing.assert_close(out["sum"], x + y + z)
    assert out["flag"] is True


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (torch.tensor([0.0, 1.0]), r"index: expected integers \(B,\), got torch\.float32"),
        (torch.tensor([True, False]), "got torch.bool"),
        (torch.tensor([[0], [1]]), r"got torch\.int64 \(2, 1\)"),
        (torch.tensor(0), r"expected integers \(B,\)"),
        (torch.tensor([0, 1, 2]), r"names the contexts of 3 samples, but x is \(2, 2\)"),
        (torch.tensor([0, 3]), "index 3: there are weights for contexts 0 to 2"),
        (torch.tensor([0, -1]), "index -1: there are weights"),
    ],
)
def test_an_index_that_does_not_fit(index: Tensor, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        call_grouped(scale, SCALES, ((torch.randn(2, 2),), {}), index)


def test_an_output_without_its_batch_in_front() -> None:
    with pytest.raises(BatchingError, match="grouped: for 2 samples the module returned"):
        call_grouped(
            lambda w, inputs: inputs[0][0].sum(1), SCALES, ((torch.randn(4, 3),), {}), torch.tensor([0, 0, 1, 1])
        )
