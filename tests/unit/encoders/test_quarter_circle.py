import math

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, init, targets
from hyperdnn.encoders import QuarterCircle
from hyperdnn.errors import ConfigError, ContextError


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_it_is_its_formula(dtype: torch.dtype) -> None:
    encoder = QuarterCircle([(0.0, 1.0), (1e-4, 1.0)], log=[1])
    context = torch.tensor([[0.0, 1e-4], [0.5, 1e-2], [0.25, 1e-3], [1.0, 1.0]], dtype=dtype)
    angles = [(0, 0), (math.pi / 4, math.pi / 4), (math.pi / 8, math.pi / 8), (math.pi / 2, math.pi / 2)]
    rows = [[math.cos(a), math.cos(b), math.sin(a), math.sin(b)] for a, b in angles]
    expected = math.sqrt(2) * torch.tensor(rows, dtype=torch.float64)
    out = encoder(context)
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), expected, atol=2 * torch.finfo(dtype).eps + 1e-7, rtol=1e-2)


@pytest.mark.parametrize("contexts", [(), (1,), (4,), (0,), (2, 3)])
def test_every_row_has_unit_root_mean_square(contexts: tuple[int, ...]) -> None:
    encoder = QuarterCircle([(-3.0, 5.0), (1e-6, 1.0), (0.0, 1e9)], log=[1])
    out = encoder(encoder.sample(*contexts))
    assert out.shape == (*contexts, encoder.features) == (*contexts, 6)
    torch.testing.assert_close(out.square().mean(-1), torch.ones(contexts))


def test_it_samples_as_a_scaled_vector_does() -> None:
    ranges, log = [(-3.0, 5.0), (1e-6, 1.0)], [1]
    drawn = [
        part(ranges, log=log, dtype=torch.float64).sample(3, generator=torch.Generator().manual_seed(1))
        for part in (QuarterCircle, encoders.ScaledVector)
    ]
    assert torch.equal(*drawn)


def _weights(encoder: nn.Module, head: nn.Module, contexts: Tensor) -> Tensor:
    torch.manual_seed(0)
    body = bodies.Linear(encoder.features, 64)
    hypernet = hd.Hypernet(encoder=encoder, body=body, head=head)
    return hypernet.layout.join(hypernet(contexts))


@pytest.mark.parametrize("normalize", [False, True])
def test_a_change_does_not_grow_with_its_context_as_that_of_a_plain_vector_does(normalize: bool) -> None:
    target = hd.Target(nn.Linear(8, 8), combine=targets.Residual(), train_base=True)
    contexts = torch.tensor([[0.1], [0.4], [0.8]])
    head = heads.FullHead(64, target.layout, init=init.naive, normalize=normalize)
    plain = _weights(encoders.Vector(1), head, contexts)
    circled = _weights(QuarterCircle([(0.0, 1.0)]), head, contexts)
    if normalize:  # the magnitude is gone, and with it all that a single number has
        torch.testing.assert_close(plain[1:], plain[:1].expand(2, -1))
    else:
        torch.testing.assert_close(plain / contexts, plain[:1].expand(3, -1) / contexts[0])
    norms = circled.norm(dim=-1)
    assert norms.max() < 1.5 * norms.min()
    assert ((circled[1:] - circled[:-1]).norm(dim=-1) > 0.2 * norms[0]).all()


def _gradient(encoder: nn.Module, context: float) -> float:
    torch.manual_seed(0)
    head = heads.FullHead(64, hd.ParamLayout.of(nn.Linear(8, 8)))
    body = bodies.Linear(encoder.features, 64)
    hypernet = hd.Hypernet(encoder=encoder, body=body, head=head)
    weights = hypernet.layout.join(hypernet(torch.tensor([context])))
    (weights * torch.randn(72)).sum().backward()
    return body.linear.bias.grad.norm().item()


def test_behind_a_head_that_normalises_offsets_get_gradients_of_one_size() -> None:
    plain, circled = ([_gradient(make(), c) for c in (0.01, 0.3, 1.0)] for make in (_vector, _circle))
    assert plain[0] == pytest.approx(100 * plain[2], rel=1e-3)  # the offsets must tell these contexts apart
    assert max(circled) < 2 * min(circled)


def test_behind_a_head_that_normalises_zero_is_no_hole() -> None:
    head = heads.FullHead(64, hd.ParamLayout.of(nn.Linear(8, 8, bias=False)))
    at_zero, at_one = torch.zeros(1, 1), torch.ones(1, 1)
    torch.testing.assert_close(_weights(_vector(), head, at_zero)[0], head.linear.bias)
    assert _weights(_circle(), head, at_zero).std() > 0.5 * _weights(_circle(), head, at_one).std()


def _vector() -> nn.Module:
    return encoders.Vector(1)


def _circle() -> nn.Module:
    return QuarterCircle([(0.0, 1.0)])


def test_a_model_with_a_trained_base_starts_at_its_target_and_is_saved(tmp_path: object) -> None:
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    x, context = torch.randn(4, 5, 3), torch.rand(4, 1)
    expected = net(x)
    target = hd.Target(net, combine=targets.Residual(), train_base=True)
    encoder = QuarterCircle([(0.0, 1.0)])
    hypernet = hd.Hypernet(encoder=encoder, body=bodies.MLP(2, 16), head=heads.FullHead(16, target.layout))
    model = hd.HyperDNN(target, hypernet)
    torch.testing.assert_close(model(x, context=context), expected)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(x, context=context).square().sum().backward()
    optimizer.step()
    assert ((model(x, context=context) - expected).abs() > 1e-3).any()
    model.save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=nn.Linear(3, 2))
    assert torch.equal(loaded(x, context=context), model(x, context=context))


@pytest.mark.usefixtures("as_a_user_runs_it")
@pytest.mark.parametrize(
    ("context", "words"),
    [
        (
            torch.tensor([1.5]),
            r"QuarterCircle: 1\.5 at \[0\] is outside of its range 0 to 1\. Give coordinate 0 a wider",
        ),
        (torch.tensor([[0.5], [-0.1]]), r"QuarterCircle: -0\.1 at \[1, 0\] is outside of its range"),
        (torch.zeros(2), r"QuarterCircle: expected \(\*contexts, 1\), got \(2,\)"),
        (torch.tensor([torch.nan]), "QuarterCircle: the context is not finite"),
    ],
)
def test_contexts_outside_of_the_ranges(context: Tensor, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        QuarterCircle([(0.0, 1.0)])(context)


def test_ranges_that_are_none() -> None:
    with pytest.raises(ConfigError, match=r"QuarterCircle needs at least one range, as in QuarterCircle\(\["):
        QuarterCircle([])
    with pytest.raises(
        ConfigError, match=r"QuarterCircle takes a pair \(low, high\) for each coordinate.*got \(0.0, 1.0, 2.0\)"
    ):
        QuarterCircle([(0.0, 1.0, 2.0)])
    with pytest.raises(ConfigError, match="range 0: a logarithmic range must be positive"):
        QuarterCircle([(0.0, 1.0)], log=[0])
