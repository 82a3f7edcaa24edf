import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, models, targets
from hyperdnn.errors import BufferPolicyError, ContextError


def conditioned(layer: nn.Module, **options: object) -> models.Conditioned:
    """A linear layer whose weight is changed by its own input."""
    target = hd.Target(layer, select="weight", combine=targets.Residual(), **options)
    encoder, body = encoders.Vector(layer.in_features), bodies.MLP(layer.in_features, 5, activation="tanh")
    head = heads.FullHead(5, target.layout)
    for parameter in head.parameters():
        nn.init.normal_(parameter, std=0.5)  # a change starts at zero, where little can be seen
    return models.Conditioned(hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=body, head=head)))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
    targets.attach_conditioned(module, "2", conditioned)
    return module.double()


def by_hand(layer: models.Conditioned, x: Tensor) -> Tensor:
    target, rows = layer.model.target, []
    for row in x:
        weight = target.base["weight"] + layer.model.generate(row)["weight"]
        rows.append(weight @ row + target.module.bias)
    return torch.stack(rows)


def test_it_is_a_loop_over_samples_in_value_and_gradient() -> None:
    layer = conditioned(nn.Linear(3, 2)).double()
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    got, expected = layer(x), by_hand(layer, x)
    torch.testing.assert_close(got, expected)
    leaves = [x, *(p for p in layer.parameters() if p.requires_grad)]
    grads = [torch.autograd.grad(y.square().sum(), leaves) for y in (got, expected)]
    torch.testing.assert_close(*grads)


def test_samples_do_not_mix_and_a_batch_of_one_or_none_stays_one() -> None:
    layer, x = conditioned(nn.Linear(3, 2)), torch.randn(5, 3)
    torch.testing.assert_close(layer(x[2:3]), layer(x)[2:3])
    assert layer(x[:0]).shape == (0, 2)
    assert layer(x[:0]).requires_grad


def test_it_is_twice_differentiable() -> None:
    layer = conditioned(nn.Linear(3, 2)).double()
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    names = [name for name, p in layer.named_parameters() if p.requires_grad]

    def call(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    inputs = (x, *(layer.get_parameter(name) for name in names))
    assert torch.autograd.gradcheck(call, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(call, inputs, fast_mode=True)


def test_other_inputs_go_to_the_layer_only() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x: Tensor, shift: Tensor, *, scale: Tensor, power: int = 1) -> dict[str, Tensor]:
            return {"y": (self.layer(x) * scale + shift) ** power}

    model = hd.HyperDNN.for_vectors(Shifted(), 3, hidden=4)
    x, shift, scale = torch.randn(5, 3), torch.randn(5, 2), torch.randn(5, 1)
    y = models.Conditioned(model)(x, shift, scale=scale, power=2)["y"]
    for i in range(5):
        one = model(x[i : i + 1], shift[i : i + 1], scale=scale[i : i + 1], power=2, context=x[i])["y"]
        torch.testing.assert_close(y[i], one[0])


@pytest.mark.parametrize("select", ["0.*", ["0.*", "4.*"], "*"], ids=str)
@pytest.mark.parametrize("mode", ["vmap", "loop"])
def test_inside_a_target_each_context_runs_its_own_loop(select: object, mode: str) -> None:
    """Contexts outside, samples inside; under ``*`` the inner hypernet is itself generated."""
    plain = net()
    target = hd.Target(copy.deepcopy(plain), select=select)
    weights = {s.name: (0.5 * torch.randn(3, *s.shape, dtype=torch.float64)).requires_grad_() for s in target.layout}
    x = torch.randn(3, 5, 3, dtype=torch.float64)

    def one(i: int) -> Tensor:
        own = {name: w[i] for name, w in weights.items()}
        return torch.func.functional_call(plain, own, (x[i],))

    expected = torch.stack([one(i) for i in range(3)])
    got = target.batched(weights, x, mode=mode)
    torch.testing.assert_close(got, expected)
    grads = [torch.autograd.grad(y.square().sum(), list(weights.values())) for y in (got, expected)]
    torch.testing.assert_close(*grads)
    torch.testing.assert_close(target.paired(weights, x[:, 0], mode=mode), expected[:, 0])
    torch.testing.assert_close(target({n: w[1] for n, w in weights.items()}, x[1]), expected[1])
    index = torch.tensor([2, 0, 2, 1, 0])
    rows = torch.stack([one(k)[0] for k in range(3)])
    torch.testing.assert_close(target.grouped(weights, x[index, 0], index=index, mode=mode), rows[index])
    torch.testing.assert_close(target.bake({n: w[2] for n, w in weights.items()})(x[2]), expected[2])
    assert target.batched({n: w[:0] for n, w in weights.items()}, x[:0]).shape == (0, 5, 2)


def test_a_second_derivative_through_both_levels() -> None:
    target = hd.Target(net(), select="0.*")
    weights = [torch.randn(2, *s.shape, dtype=torch.float64, requires_grad=True) for s in target.layout]
    x = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)

    def call(x: Tensor, *values: Tensor) -> Tensor:
        return target.batched(dict(zip(target.layout.names, values, strict=True)), x)

    assert torch.autograd.gradgradcheck(call, (x, *weights), fast_mode=True)


def test_a_baked_network_keeps_the_layers_that_an_inner_target_needs() -> None:
    class Read(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(7, 3)
            self.rnn = nn.GRU(3, 4, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.rnn(self.table(x))[0][:, -1]

    class Bag(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.one_hot(x, 7).float().mean(-2)

    target = hd.Target(Read(), select="rnn.*")
    bag = encoders.FromModule(Bag(), 7)
    hypernet = hd.Hypernet(encoder=bag, body=bodies.MLP(7, 4), head=heads.FullHead(4, target.layout))
    module = nn.Sequential(models.Conditioned(hd.HyperDNN(target, hypernet)), nn.Linear(4, 2))
    outer = hd.HyperDNN.for_tasks(module, 3, select="1.*")
    x = torch.randint(7, (5, 6))
    baked = outer.bake(torch.tensor(1))
    torch.testing.assert_close(baked(x), outer(x, context=torch.tensor(1)))
    assert type(baked[1]) is nn.Linear
    baked(x).sum().backward()
    torch.testing.assert_close(copy.deepcopy(baked)(x), baked(x))


@pytest.mark.parametrize("outer", [None, "frozen", "shared"])
def test_running_statistics_of_an_inner_target_follow_its_own_policy(outer: str | None) -> None:
    def make(block: nn.Module) -> nn.Module:
        target = hd.Target(block, select="0.weight", buffers="shared")
        hypernet = hd.Hypernet(encoder=encoders.Vector(3), body=bodies.MLP(3, 4), head=heads.FullHead(4, target.layout))
        return models.Conditioned(hd.HyperDNN(target, hypernet))

    module = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), nn.Linear(4, 2))
    targets.attach_conditioned(module, "0", make)
    plain, target = copy.deepcopy(module), hd.Target(module, select="1.*", buffers=outer)
    x = torch.randn(3, 5, 3)
    plain(x.flatten(0, 1))
    weights = {spec.name: torch.randn(3, *spec.shape) for spec in target.layout}
    y = target.batched(weights, x)
    torch.testing.assert_close(dict(module.named_buffers()), dict(plain.named_buffers()))
    baked = target.bake({name: w[1] for name, w in weights.items()}).eval()
    target.eval()
    torch.testing.assert_close(baked(x[1]), target.batched(weights, x)[1])
    assert y.shape == (3, 5, 2)


def test_saved_is_loaded(tmp_path: Path) -> None:
    model = hd.HyperDNN.for_tasks(net(), 3, select="0.*")
    model.save_pretrained(tmp_path)
    again = hd.HyperDNN.from_pretrained(tmp_path, target=net())
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    assert torch.equal(again(x, context=torch.arange(3)), model(x, context=torch.arange(3)))
    kept = {id(p) for group in model.parameter_groups() if group["name"] == "kept" for p in group["params"]}
    inner = model.target.module[2].model
    assert {id(p) for p in inner.hypernet.parameters()} < kept


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_the_type_follows(dtype: torch.dtype) -> None:
    layer = conditioned(nn.Linear(3, 2)).to(dtype)
    assert layer(torch.randn(4, 3, dtype=dtype)).dtype == dtype


def test_expert_kernels_are_condconv() -> None:
    """A full head without a bias, on routing weights, is a bank of kernels; its output a sum of expert convolutions."""
    experts, conv = 4, nn.Conv2d(3, 6, 3, padding=1, dtype=torch.float64)
    bias = conv.bias
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    routing = nn.Linear(3, experts)
    target = hd.Target(conv, select="weight")
    head = heads.FullHead(experts, target.layout, normalize=False)
    nn.init.zeros_(head.linear.bias).requires_grad_(False)
    hypernet = hd.Hypernet(
        encoder=encoders.FromModule(pool, 3, context_dims=3), body=nn.Sequential(routing, nn.Sigmoid()), head=head
    )
    layer = models.Conditioned(hd.HyperDNN(target, hypernet)).double()
    x = torch.randn(5, 3, 7, 6, dtype=torch.float64)
    alpha = routing(x.mean((2, 3))).sigmoid()
    kernels = head.linear.weight.T.reshape(experts, 6, 3, 3, 3)
    branches = torch.stack([F.conv2d(x, kernel, padding=1) for kernel in kernels])
    expected = torch.einsum("bk,kbchw->bchw", alpha, branches) + bias.view(-1, 1, 1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-6, atol=1e-9)
    trained = [routing.weight, head.linear.weight, bias]
    grads = [torch.autograd.grad(y.square().sum(), trained) for y in (layer(x), expected)]
    torch.testing.assert_close(*grads)


def test_a_single_sample_without_a_batch_is_named() -> None:
    with pytest.raises(ContextError, match=r"Conditioned: the input is a single sample: expected a batch.*x\[None\]"):
        conditioned(nn.Linear(3, 2))(torch.randn(3))


def test_nobody_passes_a_layer_its_own_statistics() -> None:
    model = hd.HyperDNN.for_vectors(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), 3, buffers="per_context")
    with pytest.raises(BufferPolicyError, match=r'Conditioned: with buffers="per_context" .* Use buffers="frozen"'):
        models.Conditioned(model)
