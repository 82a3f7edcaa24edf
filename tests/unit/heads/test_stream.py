import gc
import weakref

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import BatchingError, ConfigError
from hyperdnn.heads import _stream
from hyperdnn.nn import StreamedWeight


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.mix = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.LayerNorm(4)
        self.out = nn.Linear(4, 7, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, x):
        h = self.embed(x)
        return self.out(self.norm(h + self.mix(h, h, h)[0]))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, num_layers=2, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.lstm(x)[0])


TARGETS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2)), (4, 3)),
    "conv": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1),
            nn.BatchNorm2d(3, track_running_stats=False),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(48, 2),
        ),
        (4, 2, 4, 4),
    ),
    "tied": (Tied, None),
    "recurrent": (Recurrent, (4, 5, 3)),
}


def build(name, chunk, *, stream, **options):
    torch.manual_seed(0)
    make, _ = TARGETS[name]
    target = hd.Target(make(), **options)
    encoder, slots, width = hd.encoders.Table(3, 4), None, 4
    if chunk is None:
        head = hd.heads.FullHead(6, target.layout)
    else:
        head = hd.heads.ChunkedHead(6, target.layout, chunk)
        slots, width = hd.encoders.Slots(head.slots, 2), 6
    body = hd.bodies.MLP(width, 6, activation="tanh")
    hypernet = hd.Hypernet(encoder=encoder, slots=slots, body=body, head=head, stream=stream)
    return hd.HyperDNN(target, hypernet).double()


def data(name):
    shape = TARGETS[name][1]
    return torch.randint(7, (4, 5)) if shape is None else torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("chunk", [None, 5, 16, 50])
@pytest.mark.parametrize("name", TARGETS)
def test_equals_generation_at_once_in_value_and_gradient(name, chunk):
    ours, theirs = (build(name, chunk, stream=stream) for stream in (True, False))
    x = data(name)
    outputs = [model(x, context=torch.tensor(1)) for model in (ours, theirs)]
    torch.testing.assert_close(*outputs, rtol=1e-10, atol=1e-10)
    for output in outputs:
        output.square().sum().backward()
    for (label, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if other.grad is None:
            assert mine.grad is None or not mine.grad.any(), label
        else:
            torch.testing.assert_close(mine.grad, other.grad, rtol=1e-9, atol=1e-10, msg=label)


@pytest.mark.parametrize("chunk", [None, 16])
def test_second_derivative(chunk):
    ours, theirs = (build("mlp", chunk, stream=stream) for stream in (True, False))
    x = data("mlp")
    second = []
    for model in (ours, theirs):
        loss = model(x, context=torch.tensor(1)).square().sum()
        weight = model.hypernet.head.linear.weight
        (first,) = torch.autograd.grad(loss, weight, create_graph=True)
        second.append(torch.autograd.grad(first.square().sum(), list(model.parameters()), allow_unused=True))
    for mine, other in zip(*second, strict=True):
        if other is not None:
            torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("chunk", [None, 16])
@pytest.mark.parametrize("grad", [True, False])
def test_no_generated_tensor_outlives_its_operation(chunk, grad, monkeypatch):
    alive: list[weakref.ref] = []
    most = 0

    def watched(maker):
        def make(*args):
            inner = maker(*args)

            def noted(features, positions):
                nonlocal most
                tensors = inner(features, positions)
                alive.extend(weakref.ref(tensor) for tensor in tensors)
                most = max(most, sum(ref() is not None for ref in alive))
                return tensors

            return noted

        return make

    for name in ("rows_of", "slots_of"):
        home = "hyperdnn.heads._full" if name == "rows_of" else "hyperdnn.heads._chunked"
        monkeypatch.setattr(f"{home}.{name}", watched(getattr(_stream, name)))
    model = build("mlp", chunk, stream=True)
    with torch.set_grad_enabled(grad):
        output = model(data("mlp"), context=torch.tensor(1))
    gc.collect()
    assert most == 2  # a weight and its bias
    assert all(ref() is None for ref in alive)
    if grad:
        output.sum().backward()
        gc.collect()
        assert len(alive) == 12  # three layers, twice
        assert all(ref() is None for ref in alive)


def test_many_contexts_in_a_loop():
    ours, theirs = (build("mlp", 16, stream=stream) for stream in (True, False))
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    outputs = [model(x, context=torch.arange(3), mode="loop") for model in (ours, theirs)]
    torch.testing.assert_close(*outputs)
    gradients = [
        torch.autograd.grad(output.square().sum(), model.hypernet.head.linear.weight)[0]
        for model, output in zip((ours, theirs), outputs, strict=True)
    ]
    torch.testing.assert_close(*gradients)


def test_many_contexts_at_once_are_refused_with_the_way_out():
    model = build("mlp", 16, stream=True)
    with pytest.raises(BatchingError, match='mode="loop"'):
        model(torch.randn(3, 4, 3, dtype=torch.float64), context=torch.arange(3))


def test_a_backward_that_is_given_up_leaves_nothing_behind():
    model = build("mlp", 16, stream=True)
    weight, x = model.hypernet.head.linear.weight, data("mlp")
    loss = model(x, context=torch.tensor(1)).square().sum()
    (expected,) = torch.autograd.grad(loss, weight, retain_graph=True)
    torch.autograd.grad(loss, model.hypernet.head.linear.bias, retain_graph=True)  # never asks for the weight's
    (again,) = torch.autograd.grad(loss, weight)
    torch.testing.assert_close(again, expected)


def test_gradients_accumulate_over_steps():
    model = build("mlp", 16, stream=True)
    weight, x = model.hypernet.head.linear.weight, data("mlp")
    for _ in range(2):
        model(x, context=torch.tensor(1)).square().sum().backward()
    (once,) = torch.autograd.grad(model(x, context=torch.tensor(1)).square().sum(), weight)
    torch.testing.assert_close(weight.grad, 2 * once)


@pytest.mark.parametrize("combine", [hd.targets.Residual(), hd.targets.Scale(), hd.targets.LowRank(2)])
def test_combines(combine):
    ours, theirs = (build("mlp", 7, stream=stream, combine=combine) for stream in (True, False))
    x = data("mlp")
    torch.testing.assert_close(*(model(x, context=torch.tensor(2)) for model in (ours, theirs)))


def test_bake_and_penalties_read_the_numbers():
    model = build("mlp", 16, stream=True)
    x = data("mlp")
    baked = model.bake(torch.tensor(1))  # in the target's own single precision
    torch.testing.assert_close(baked(x.float()), model(x, context=torch.tensor(1)).float())
    weights = model.generate(torch.tensor(1))
    assert type(weights["0.weight"] + 0) is torch.Tensor
    assert isinstance(weights["0.weight"], StreamedWeight)
    assert "5, 3" in repr(weights["0.weight"])
    assert model.target.layout.join(weights).shape == (model.target.layout.numel,)


def test_dropout_in_an_operation_is_the_same_when_it_is_made_again():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(6, 6))

        def forward(self, x):
            return x @ nn.functional.dropout(self.w, 0.5)

    torch.manual_seed(0)
    target = hd.Target(Net())
    head = hd.heads.FullHead(6, target.layout)
    model = hd.HyperDNN(
        target, hd.Hypernet(encoder=hd.encoders.Vector(2), body=hd.bodies.MLP(2, 6), head=head, stream=True)
    )
    x, context = torch.eye(6, requires_grad=True), torch.randn(2)
    y = model(x, context=context)
    assert (y == 0).any()
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient[0], y.detach().sum(1))  # of the very weights that were used


def test_a_head_that_cannot_stream_is_refused():
    target = hd.Target(nn.Linear(2, 2))
    head = hd.heads.MultiHead(4, target.layout)
    with pytest.raises(ConfigError, match=r"MultiHead has no stream.*FullHead or ChunkedHead"):
        hd.Hypernet(encoder=hd.encoders.Vector(2), body=hd.bodies.MLP(2, 4), head=head, stream=True)


def test_saved_and_loaded(tmp_path):
    build("mlp", 16, stream=True).save_pretrained(tmp_path)
    loaded = hd.HyperDNN.from_pretrained(tmp_path, target=TARGETS["mlp"][0]())
    assert isinstance(loaded.generate(torch.tensor(1))["0.weight"], StreamedWeight)


@pytest.mark.parametrize("chunk", [None, 7])
def test_an_output_map_that_is_more_than_its_parameters_is_refused(chunk):
    model = build("mlp", chunk, stream=True)
    model.hypernet.head.linear.register_forward_hook(lambda module, args, output: 2 * output)
    with pytest.raises(ConfigError, match=r"a Linear, has hooks or a forward of its own.*stream=False"):
        model.generate(torch.tensor(1))


@pytest.mark.parametrize("chunk", [None, 7])
def test_under_autocast(chunk):
    ours, theirs = (build("mlp", chunk, stream=stream).float() for stream in (True, False))
    x, outputs = torch.randn(4, 3), []
    for model in (ours, theirs):
        with torch.autocast("cpu", torch.bfloat16):
            outputs.append(model(x, context=torch.tensor(1)))
        outputs[-1].float().square().sum().backward()
    assert outputs[0].dtype == torch.bfloat16
    torch.testing.assert_close(*outputs)
    mine, other = (model.hypernet.head.linear.weight.grad for model in (ours, theirs))
    torch.testing.assert_close(mine, other, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("chunk", [None, 7])
def test_transforms_of_functions(chunk):
    ours, theirs = (build("mlp", chunk, stream=stream) for stream in (True, False))
    x, context = data("mlp"), torch.tensor(1)

    def loss(model, parameters):
        return torch.func.functional_call(model, parameters, (x,), {"context": context}).square().sum()

    found = [torch.func.grad(lambda p, m=model: loss(m, p))(dict(model.named_parameters())) for model in (ours, theirs)]
    torch.testing.assert_close(*found)
    found = [torch.func.hessian(lambda x, m=model: m(x, context=context).sum())(x[:1]) for model in (ours, theirs)]
    torch.testing.assert_close(*found)
    torch.testing.assert_close(torch.vmap(lambda row: ours(row, context=context))(x), theirs(x, context=context))


@pytest.mark.parametrize("chunk", [None, 7])
def test_a_streaming_hypernet_as_target(chunk):
    losses = []
    for stream in (True, False):
        inner = hd.Target(build("mlp", chunk, stream=stream).hypernet, "head.*")
        torch.manual_seed(1)
        head = hd.heads.FullHead(6, inner.layout)
        outer = hd.Hypernet(encoder=hd.encoders.Table(3, 4), body=hd.bodies.MLP(4, 6), head=head).double()
        weights = inner(outer(torch.tensor(2)), torch.tensor(1))  # made after the inner call is over
        loss = sum(w.square().sum() for w in weights.values())
        losses.append((loss.detach(), torch.autograd.grad(loss, head.linear.weight)[0]))
    torch.testing.assert_close(*losses)
