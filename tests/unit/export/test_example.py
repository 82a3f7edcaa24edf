import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn.errors import ConfigError, ContextError
from hyperdnn.export._example import example_of


class Two(nn.Module):
    def forward(self, x: Tensor, pair: tuple[Tensor, Tensor], scale: float = 1.0) -> Tensor:
        return x + scale * pair[0] - pair[1]


def _model() -> hd.HyperDNN:
    return hd.HyperDNN.for_vectors(nn.Linear(3, 2), 4)


def test_the_forms_of_inputs() -> None:
    x, pair = torch.randn(4, 3), (torch.randn(4, 3), torch.randn(4, 3))
    names = ["x", "pair_0", "pair_1"]
    by_name = {"scale": 2.0, "pair": pair, "x": x}
    for inputs, given in (((x, pair, 2.0), names), (by_name, [*names[1:], names[0]])):
        example = example_of(Two(), inputs, context=None, batch=0)
        torch.testing.assert_close(example.call(Two()), x + 2 * pair[0] - pair[1])
        assert example.input_names(Two()) == given  # in the order of the call, as torch keeps them
        shapes = example.shapes(Two(), {"batch": "b"})
        assert shapes == {"x": {0: "b"}, "pair": ({0: "b"}, {0: "b"}), "scale": None}


def test_other_sizes() -> None:
    x = torch.randn(3, 5)
    example = example_of(nn.Linear(3, 2), x, context=None, batch=1)
    (_, twice), (_, one) = example.others()
    assert torch.equal(twice.leaves[0], torch.cat([x, x], 1))
    assert torch.equal(one.leaves[0], x[:, :1])
    assert example.with_room().leaves[0].shape == (3, 5)
    assert one.with_room().leaves[0].shape == (3, 2)
    assert list(example_of(nn.Linear(3, 2), x, context=None, batch=None).others()) == []


@pytest.mark.parametrize(("contexts", "names"), [((), ["batch"]), ((5,), ["batch", "contexts"])])
def test_contexts_come_before_samples(contexts: tuple[int, ...], names: list[str]) -> None:
    model, context = _model(), torch.randn(*contexts, 4)
    example = example_of(model, torch.randn(*contexts, 2, 3), context=context, batch=0)
    assert example.names == names
    assert example.input_names(model) == ["input", "context"]
    found = {what: [tuple(leaf.shape) for leaf in other.leaves] for what, other in example.others()}
    lead = {"twice as many samples": (10,), "one sample": (1,), "another context": (5,)}
    samples = {"twice as many samples": 4, "one sample": 1, "another context": 2}
    assert found == {
        what: [(*(lead[what] if contexts else ()), samples[what], 3), (*(lead[what] if contexts else ()), 4)]
        for what in lead
    }


@pytest.mark.parametrize(
    ("context", "other"),
    [
        (torch.tensor(0), torch.tensor(1)),
        (torch.tensor([2, 0]), torch.tensor([0, 1])),
        (torch.tensor([0.2, 0.8]), torch.tensor([0.8, 0.2])),
    ],
)
def test_another_context_is_another(context: Tensor, other: Tensor) -> None:
    model = hd.HyperDNN.for_tasks(nn.Linear(3, 2), 3) if context.dtype == torch.long else _model_of_shares()
    lead = tuple(context.shape) if context.dtype == torch.long else ()
    example = example_of(model, torch.randn(*lead, 2, 3), context=context, batch=None)
    others = dict(example.others())
    assert torch.equal(others["another context"].leaves[-1], other)


def _model_of_shares() -> hd.HyperDNN:
    return hd.HyperDNN.for_vectors(nn.Linear(3, 2), 2)


@pytest.mark.parametrize(
    ("inputs", "options", "error", "words"),
    [
        ("x", {}, ConfigError, "expected a tensor, a tuple of inputs or a dict of them by name, got str"),
        ((), {}, ConfigError, "got tuple"),
        (torch.randn(0, 3), {}, ConfigError, r"shape \(0, 3\) has no samples there.*batch=None"),
        (torch.randn(3), {"batch": 1}, ConfigError, r"batch=1: an input of shape \(3,\) has no samples there"),
        (torch.randn(3), {"batch": -1}, ConfigError, "has no samples there"),
        (torch.randn(2, 3), {"context": torch.tensor(1)}, ContextError, "Linear is no HyperDNN and takes no context"),
    ],
)
def test_wrong_inputs(inputs: object, options: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        example_of(nn.Linear(3, 2), inputs, **{"context": None, "batch": 0, **options})


def test_contexts_of_a_hyperdnn() -> None:
    with pytest.raises(ContextError, match=r"pass an example, context=.*export model\.bake\(context\)"):
        example_of(_model(), torch.randn(2, 3), context=None, batch=0)
    with pytest.raises(ContextError, match="a context that is an input is a tensor, or a tree of them, got int"):
        example_of(_model(), torch.randn(2, 3), context=3, batch=0)
