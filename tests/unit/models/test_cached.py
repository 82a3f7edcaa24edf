import copy
import pickle

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, models
from hyperdnn.errors import ConfigError


def build(contexts: int = 5) -> hd.HyperDNN:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return hd.HyperDNN.for_tasks(net, contexts, hidden=8, features=4).eval()


@pytest.fixture
def model():
    return build()


@pytest.mark.parametrize("context", [2, [0, 3, 3, 1], [[0, 1, 2], [2, 1, 4]], [3]])
def test_equals_the_model(model, context):
    context = torch.tensor(context)
    cached = hd.Cached(model, max_contexts=3)
    with torch.no_grad():
        for _ in range(2):  # generated, then remembered
            for name, weight in model.generate(context).items():
                torch.testing.assert_close(cached.generate(context)[name], weight)


def test_the_verbs_are_the_models(model):
    cached, x = hd.Cached(model), torch.randn(4, 3)
    many, index = torch.tensor([0, 3, 3, 1]), torch.tensor([1, 0, 1, 1])
    with torch.no_grad():
        torch.testing.assert_close(cached(x, context=torch.tensor(1)), model(x, context=torch.tensor(1)))
        torch.testing.assert_close(cached(x[:, None], context=many), model(x[:, None], context=many))
        torch.testing.assert_close(cached.paired(x, context=many), model.paired(x, context=many))
        torch.testing.assert_close(cached.grouped(x, context=many), model.grouped(x, context=many))
        expected = model.grouped(x, context=many[:2], index=index)
        torch.testing.assert_close(cached.grouped(x, context=many[:2], index=index), expected)


def test_each_distinct_context_is_generated_once(model):
    cached = hd.Cached(model, max_contexts=4)
    with torch.no_grad():
        for context in ([0, 1, 1, 0], [1, 2], [2, 0]):
            cached.generate(torch.tensor(context))
        assert cached.memory.generated == 3
        cached.generate(torch.tensor(1))  # one context or many: the same
        assert cached.memory.generated == 3


def test_the_store_is_bounded_and_keeps_what_was_used_last(model):
    cached = hd.Cached(model, max_contexts=2)
    with torch.no_grad():
        for context in (0, 1, 0, 2):  # 1 has to go
            cached.generate(torch.tensor([context]))
        assert len(cached.memory) == 2
        assert cached.memory.generated == 3
        cached.generate(torch.tensor([0, 2]))
        assert cached.memory.generated == 3
        cached.generate(torch.tensor([1]))
        assert cached.memory.generated == 4
        assert len(cached.generate(torch.arange(5))["0.weight"]) == 5  # a batch beyond the bound is still served
        assert len(cached.memory) == 2


def _step(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model(torch.ones(2, 3), context=torch.tensor(0)).square().sum().backward()
    optimizer.step()


def _load(model):
    model.load_state_dict({name: value + 1 for name, value in model.state_dict().items()})


def _double(model):
    model.hypernet.double()


def _replace(model):
    with torch.no_grad():
        model.hypernet.head.linear.bias = nn.Parameter(torch.ones_like(model.hypernet.head.linear.bias))


def _write(model):
    with torch.no_grad():
        model.hypernet.head.linear.bias[0] = 5.0


@pytest.mark.parametrize("change", [_step, _load, _double, _replace, _write])
def test_forgets_when_the_hypernet_changes(model, change):
    cached, context = hd.Cached(model), torch.tensor([1, 2])
    with torch.no_grad():
        cached.generate(context)
    change(model)
    with torch.no_grad():
        for name, weight in model.generate(context).items():
            assert torch.equal(cached.generate(context)[name], weight)


def test_training_mode_is_another_hypernet():
    target = hd.Target(nn.Linear(2, 2))
    body = hd.bodies.MLP(3, 8, dropout=0.5)
    head = hd.heads.FullHead(8, target.layout)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=hd.encoders.Table(2, 3), body=body, head=head))
    cached, context = hd.Cached(model), torch.tensor(0)
    with torch.no_grad():
        cached.train().generate(context)
        assert torch.equal(cached.eval().generate(context)["weight"], model.generate(context)["weight"])


def test_a_kept_parameter_of_the_target_may_change():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    model = hd.HyperDNN.for_tasks(net, 2, select="2.*").eval()
    cached, x, context = hd.Cached(model), torch.randn(4, 3), torch.tensor(0)
    with torch.no_grad():
        cached(x, context=context)
        model.target.module[0].weight.add_(1.0)
        assert torch.equal(cached(x, context=context), model(x, context=context))


def test_gradients_reach_the_hypernet(model):
    cached = hd.Cached(model)
    with torch.no_grad():
        cached.generate(torch.tensor(0))
    cached(torch.randn(4, 3), context=torch.tensor(0)).sum().backward()
    assert model.hypernet.head.linear.weight.grad.any()


def test_contexts_that_are_vectors_trees_or_none():
    net = nn.Linear(2, 2)
    target = hd.Target(net)
    encoder = hd.encoders.Join(hd.encoders.Table(3, 2), hd.encoders.Vector(4))
    model = hd.HyperDNN(
        target,
        hd.Hypernet(encoder=encoder, body=hd.bodies.MLP(6, 8), head=hd.heads.FullHead(8, target.layout)),
    ).eval()
    cached, rows = hd.Cached(model), torch.randn(3, 4)
    with torch.no_grad():
        one = cached.generate((torch.tensor(1), rows[1]))
        many = cached.generate((torch.arange(3), rows))
        assert cached.memory.generated == 3  # the first came again
        torch.testing.assert_close(many["weight"][1], one["weight"])
        assert cached.generate((torch.arange(3), rows + 1))["weight"].shape == (3, 2, 2)
        assert cached.memory.generated == 6
        assert cached.generate((torch.zeros(0).long(), torch.zeros(0, 4)))["weight"].shape == (0, 2, 2)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_remember_nothing(model, again):
    cached = hd.Cached(model)
    with torch.no_grad():
        cached.generate(torch.arange(5))
        other = again(cached)
        assert len(other.memory) == 0
        for name, weight in cached.generate(torch.tensor(1)).items():
            torch.testing.assert_close(other.generate(torch.tensor(1))[name], weight)


def test_bfloat16_and_inference_mode():
    model = hd.HyperDNN.for_vectors(nn.Linear(2, 2), 3).bfloat16().eval()
    cached, rows = hd.Cached(model), torch.randn(4, 3).bfloat16()
    with torch.inference_mode():
        cached.generate(rows)
        assert cached.generate(rows)["weight"].dtype == torch.bfloat16
        assert cached.memory.generated == 4


def test_clear(model):
    cached = hd.Cached(model)
    with torch.no_grad():
        cached.generate(torch.arange(5))
        cached.clear()
    assert len(cached.memory) == 0


def test_room_for_nothing_is_an_error(model):
    with pytest.raises(ConfigError, match="max_contexts=0: expected room for at least one"):
        hd.Cached(model, max_contexts=0)


def _stack(model):
    return hd.HyperDNN(model.target, models.Stack([model.hypernet, copy.deepcopy(model.hypernet)]))


def _mixture(model):
    return hd.HyperDNN(model.target, models.WeightMixture(model.hypernet))


def _cells(model):
    encoder = encoders.Frozen(encoders.Cells(2, 4, widths=(4,)))
    head = heads.FullHead(5, model.target.layout)
    hypernet = hd.Hypernet(encoder=encoder, body=bodies.MLP(4, 5), head=head)
    return hd.HyperDNN(model.target, models.Join(model.target.layout, [hypernet]))


@pytest.mark.parametrize(("make", "kind"), [(_stack, "Stack"), (_mixture, "WeightMixture"), (_cells, "Frozen")])
def test_hypernets_whose_weights_do_not_belong_to_a_row_of_the_context(model, make, kind):
    with pytest.raises(ConfigError, match=f"{kind}: one row of its context does not make one set of weights.*itself"):
        hd.Cached(make(model))


def test_joined_hypernets_are_remembered_by_all_their_contexts():
    parts = [hd.HyperDNN.for_tasks(nn.Linear(4, 3), 5, select=name).hypernet for name in ("weight", "bias")]
    joined = hd.HyperDNN(hd.Target(nn.Linear(4, 3)), models.Join(hd.ParamLayout.of(nn.Linear(4, 3)), parts))
    cached = hd.Cached(joined)
    with torch.no_grad():
        for context in [(torch.tensor([0, 1]), torch.tensor([2, 2])), (torch.tensor([1, 0]), torch.tensor([2, 3]))]:
            torch.testing.assert_close(cached.generate(context), joined.generate(context))
    assert cached.memory.generated == 3
