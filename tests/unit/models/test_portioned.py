import gc
import weakref

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.errors import BufferPolicyError, ConfigError, ContextError
from hyperdnn.models import _footprint


def build(**options) -> hd.HyperDNN:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return hd.HyperDNN.for_vectors(net, 5, hidden=8, **options).double()


def agree(model, one, all_of_them):
    torch.testing.assert_close(one, all_of_them, rtol=1e-10, atol=1e-10)
    gradients = [
        torch.autograd.grad(output.square().sum(), list(model.parameters()), allow_unused=True)
        for output in (one, all_of_them)
    ]
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, "auto"])
class TestTheVerbsAreTheModels:
    def test_batched(self, size):
        model = build()
        rows, x = torch.randn(7, 5).double(), torch.randn(7, 6, 3).double()
        agree(model, hd.Portioned(model, max_contexts=size)(x, context=rows), model(x, context=rows))

    def test_shared_data(self, size):
        model = build()
        rows, x = torch.randn(7, 5).double(), torch.randn(6, 3).double()
        portioned = hd.Portioned(model, max_contexts=size)
        agree(model, portioned(x, context=rows, data_dims=None), model(x, context=rows, data_dims=None))

    def test_two_context_dimensions(self, size):
        model = build()
        rows, x = torch.randn(3, 2, 5).double(), torch.randn(2, 6, 3).double()
        portioned = hd.Portioned(model, max_contexts=size)
        agree(model, portioned(x, context=rows, data_dims=(None, 0)), model(x, context=rows, data_dims=(None, 0)))

    def test_paired(self, size):
        model = build()
        rows, x = torch.randn(7, 5).double(), torch.randn(7, 3).double()
        agree(model, hd.Portioned(model, max_contexts=size).paired(x, context=rows), model.paired(x, context=rows))

    def test_grouped(self, size):
        model = build()
        rows, x, index = (
            torch.randn(7, 5).double(),
            torch.randn(9, 3).double(),
            torch.tensor([6, 0, 1, 6, 5, 0, 0, 2, 6]),
        )
        portioned = hd.Portioned(model, max_contexts=size)
        agree(model, portioned.grouped(x, context=rows, index=index), model.grouped(x, context=rows, index=index))

    def test_no_context_and_no_sample(self, size):
        model = build()
        portioned = hd.Portioned(model, max_contexts=size)
        assert portioned(torch.zeros(0, 6, 3).double(), context=torch.zeros(0, 5).double()).shape == (0, 6, 2)
        assert portioned.paired(torch.zeros(0, 3).double(), context=torch.zeros(0, 5).double()).shape == (0, 2)
        index = torch.zeros(0, dtype=torch.long)
        x = torch.zeros(0, 3).double()
        assert portioned.grouped(x, context=torch.randn(4, 5).double(), index=index).shape == (0, 2)


@pytest.mark.parametrize("grad", [True, False])
def test_weights_of_one_portion_exist_at_a_time(grad, monkeypatch):
    model, alive, most = build(), [], 0
    original = hd.HyperDNN.generate

    def generate(self, context):
        nonlocal most
        weights = original(self, context)
        alive.append((weakref.ref(weights["0.weight"]), len(context)))
        most = max(most, sum(size for ref, size in alive if ref() is not None))
        return weights

    monkeypatch.setattr(hd.HyperDNN, "generate", generate)
    rows, x = torch.randn(6, 5).double(), torch.randn(6, 4, 3).double()
    with torch.set_grad_enabled(grad):
        output = hd.Portioned(model, max_contexts=2)(x, context=rows)
    gc.collect()
    assert all(ref() is None for ref, _ in alive)
    if grad:
        output.sum().backward()
        assert len(alive) == 6  # three portions, twice
    assert most == 2


def test_dropout_is_the_same_when_a_portion_is_run_again():
    target = hd.Target(nn.Sequential(nn.Linear(6, 6, bias=False), nn.Dropout(0.5)))
    hypernet = hd.Hypernet(
        encoder=hd.encoders.Vector(2), body=hd.bodies.MLP(2, 4), head=hd.heads.FullHead(4, target.layout)
    )
    model = hd.HyperDNN(target, hypernet)
    x = torch.ones(4, 1, 6, requires_grad=True)
    y = hd.Portioned(model, max_contexts=3)(x, context=torch.randn(4, 2))
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close((gradient * x).sum(-1), y.sum(-1))  # linear, under the very mask that was drawn


def test_training_step_with_a_tree_of_contexts():
    target = hd.Target(nn.Linear(3, 2))
    encoder = hd.encoders.Join(hd.encoders.Table(4, 2), hd.encoders.Vector(3))
    head = hd.heads.FullHead(8, target.layout)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=hd.bodies.MLP(5, 8), head=head)).double()
    context, x = (torch.arange(4), torch.randn(4, 3).double()), torch.randn(4, 5, 3).double()
    agree(model, hd.Portioned(model, max_contexts=3)(x, context=context), model(x, context=context))


class TestAuto:
    def test_a_small_model_runs_at_once(self, monkeypatch):
        monkeypatch.setattr(_footprint, "footprint", lambda *args: pytest.fail("nothing to measure"))
        model = build()
        portioned = hd.Portioned(model, max_contexts="auto")
        assert portioned(torch.randn(3, 2, 3).double(), context=torch.randn(3, 5).double()).shape == (3, 2, 2)

    @pytest.mark.parametrize("portion", [1, 3, 10])
    def test_the_portion_is_what_fits(self, monkeypatch, portion):
        model, sizes = build(), []
        rows, x = torch.randn(10, 5).double(), torch.randn(10, 6, 3).double()
        one = _footprint.footprint(model, lambda: model(x[:1], context=rows[:1]))
        weights = sum(spec.numel * spec.dtype.itemsize for spec in model.target.layout)
        free = int(2 * (portion + 0.5) * (one + 2 * weights))
        monkeypatch.setattr(_footprint, "available_memory", lambda device: free)
        model.hypernet.register_forward_hook(lambda part, args, out: sizes.append(len(args[0])))
        hd.Portioned(model, max_contexts="auto")(x, context=rows)
        assert max(sizes[1:] or sizes) == portion  # the first is the measurement

    def test_memory_for_nothing_still_runs_one_at_a_time(self, monkeypatch):
        monkeypatch.setattr(_footprint, "available_memory", lambda device: 0)
        model = build()
        rows, x = torch.randn(3, 5).double(), torch.randn(3, 6, 3).double()
        agree(model, hd.Portioned(model, max_contexts="auto")(x, context=rows), model(x, context=rows))

    def test_the_footprint_counts_what_a_context_keeps(self):
        model = build()
        many, one = (
            _footprint.footprint(
                model, lambda n=n: model(torch.randn(n, 50, 3).double(), context=torch.randn(n, 5).double())
            )
            for n in (8, 1)
        )
        assert 6 * one < many < 10 * one
        activations = 8 * 50 * (3 + 4 + 2)  # inputs, hidden, outputs
        assert one > activations

    def test_there_is_memory(self):
        assert _footprint.available_memory(torch.device("cpu")) > 1 << 20


def test_errors():
    model = build()
    for wrong in (0, -1, "many"):
        with pytest.raises(ConfigError, match="expected 1 or more, or 'auto'"):
            hd.Portioned(model, max_contexts=wrong)
    portioned = hd.Portioned(model, max_contexts=2)
    with pytest.raises(ContextError, match=r"first dimension.*call the model itself"):
        portioned(torch.randn(3), context=torch.tensor(1.0))
    for beyond in (-1, 2):
        with pytest.raises(ContextError, match=f"index {beyond}: there are contexts 0 to 1"):
            portioned.grouped(
                torch.randn(3, 3).double(), context=torch.randn(2, 5).double(), index=torch.tensor([0, beyond, 1])
            )
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    pooled = hd.HyperDNN.for_tasks(net, 3, buffers="shared")
    with pytest.raises(BufferPolicyError, match="pools statistics over all contexts"):
        hd.Portioned(pooled, max_contexts=2)
