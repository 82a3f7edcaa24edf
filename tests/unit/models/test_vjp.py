import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import LayoutError


def model() -> hd.HyperDNN:
    torch.manual_seed(0)
    return hd.HyperDNN.for_tasks(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), 3, hidden=8)


@pytest.mark.parametrize("context", [torch.tensor(1), torch.tensor([0, 2])], ids=["one", "many"])
def test_it_is_the_gradient_of_the_inner_product(context: torch.Tensor) -> None:
    hypernet = model().hypernet
    vectors = {name: torch.randn_like(w) for name, w in hypernet(context).items()}
    parameters = list(hypernet.parameters())
    product = sum((w * vectors[name]).sum() for name, w in hypernet(context).items())
    expected = torch.autograd.grad(product, parameters, allow_unused=True)
    hd.hypernet_vjp(hypernet(context), vectors)
    for parameter, grad in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, grad)


def test_it_accumulates() -> None:
    hypernet = model().hypernet
    vectors = {name: torch.randn_like(w) for name, w in hypernet(torch.tensor(1)).items()}
    hd.hypernet_vjp(hypernet(torch.tensor(1)), vectors)
    once = hypernet.head.linear.weight.grad.clone()
    hd.hypernet_vjp(hypernet(torch.tensor(1)), vectors)
    torch.testing.assert_close(hypernet.head.linear.weight.grad, 2 * once)


def test_a_step_moves_the_hypernet_towards_the_trained_weights() -> None:
    hypernet = model().hypernet
    optimizer = torch.optim.SGD(hypernet.parameters(), 0.003)
    trained = {name: w.detach() + 0.1 * torch.randn_like(w) for name, w in hypernet(torch.tensor(1)).items()}
    distances = []
    for _ in range(20):
        weights = hypernet(torch.tensor(1))
        vectors = {name: w.detach() - trained[name] for name, w in weights.items()}
        distances.append(sum(v.square().sum().item() for v in vectors.values()))
        optimizer.zero_grad()
        hd.hypernet_vjp(weights, vectors)
        optimizer.step()
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.7 * distances[0]


def test_vectors_of_another_number_format() -> None:
    hypernet = model().hypernet
    hd.hypernet_vjp(hypernet(torch.tensor(1)), {n: w.double() for n, w in hypernet(torch.tensor(1)).items()})
    assert hypernet.head.linear.weight.grad.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.pop("1.bias"), r"'1\.bias' is only in one of weights and vectors"),
        (lambda v: v.update({"1.bias": torch.zeros(3)}), r"'1\.bias': expected a vector \(2,\), got \(3,\)"),
        (lambda v: v.update({"1.bais": v.pop("1.bias")}), r"Did you mean '1\.bi?as"),
    ],
)
def test_vectors_fit_the_weights(change: object, words: str) -> None:
    weights = model().generate(torch.tensor(1))
    vectors = {name: torch.zeros_like(w) for name, w in weights.items()}
    change(vectors)
    with pytest.raises(LayoutError, match=words):
        hd.hypernet_vjp(weights, vectors)


def test_weights_without_a_graph() -> None:
    with torch.no_grad():
        weights = model().generate(torch.tensor(1))
    with pytest.raises(LayoutError, match=r"'0\.weight' has no graph: generate the weights anew"):
        hd.hypernet_vjp(weights, weights)
