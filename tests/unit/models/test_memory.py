"""What could make a remembered weight a wrong one."""

import copy
import gc
import pickle
import threading

import pytest
import torch
from torch import nn
from torch.optim import optimizer as torch_optimizer

import hyperdnn as hd

ONE = torch.tensor(1)


def build(contexts: int = 5) -> hd.HyperDNN:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return hd.HyperDNN.for_tasks(net, contexts, hidden=8, features=4).eval()


def agree(cached, model, context=ONE):
    with torch.no_grad():
        expected, found = model.generate(context), cached.generate(context)
    return all(torch.allclose(found[name], tensor, atol=1e-6) for name, tensor in expected.items())


@pytest.mark.parametrize(
    "make",
    [
        lambda model: torch.optim.Adam(model.parameters(), lr=0.1),
        lambda model: torch.optim.Adam(model.parameters(), lr=0.1, fused=True),  # writes without counting it
        lambda model: torch.optim.SGD(model.parameters(), lr=0.1, fused=True),
        lambda model: hd.optim.RankAdam(model, lr=0.1),
    ],
    ids=["adam", "fused adam", "fused sgd", "rank adam"],
)
@pytest.mark.parametrize("again", [lambda c: c, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_forgets_after_every_optimisers_step(make, again):
    cached = again(hd.Cached(build()))
    model = hd.HyperDNN(cached.model.target, cached.memory.hypernet)
    optimizer = make(model)
    with torch.no_grad():
        cached.generate(ONE)
    model(torch.randn(2, 3), context=ONE).square().sum().backward()
    optimizer.step()
    assert agree(cached, model)


def test_the_step_of_another_model_is_nothing_to_it():
    cached, other = hd.Cached(build()), nn.Linear(2, 2)
    with torch.no_grad():
        cached.generate(ONE)
    other(torch.ones(2)).sum().backward()
    torch.optim.Adam(other.parameters(), fused=True).step()
    assert len(cached.memory) == 1


def test_nothing_of_it_stays_with_torch():
    gc.collect()
    before = len(torch_optimizer._global_optimizer_post_hooks)
    cached = hd.Cached(build())
    assert len(torch_optimizer._global_optimizer_post_hooks) == before + 1
    del cached
    gc.collect()
    assert len(torch_optimizer._global_optimizer_post_hooks) == before


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_writing_to_what_was_handed_out_does_not_change_what_is_remembered(mode):
    model = build()
    cached = hd.Cached(model)
    with mode():
        for _ in range(2):
            cached.generate(ONE)["0.weight"].mul_(7)
    assert agree(cached, model)
    assert cached.memory.generated == 3


def test_autocast_has_weights_of_its_own():
    model = build()
    cached = hd.Cached(model)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert cached.generate(ONE)["0.weight"].dtype == torch.bfloat16
    assert agree(cached, model)


def test_a_hypernet_made_in_inference_mode():
    with torch.inference_mode():
        model = build()
        cached = hd.Cached(model)
        cached.generate(ONE)
        model.hypernet.head.linear.bias.add_(1)  # nobody counts that
        assert agree(cached, model)


def test_what_was_remembered_in_inference_mode_may_be_used_outside():
    model = build()
    cached, x = hd.Cached(model), torch.randn(2, 3, requires_grad=True)
    with torch.inference_mode():
        cached.generate(ONE)
        assert agree(cached, model)
        assert cached.memory.generated == 1
    with torch.no_grad():
        weights = cached.generate(ONE)
    model.target(weights, x).sum().backward()
    assert x.grad is not None


def test_a_tensor_at_the_address_of_an_earlier_one():
    model = build()
    cached, linear = hd.Cached(model), model.hypernet.head.linear
    for number in range(20):
        for half in (0.0, 0.5):
            linear.bias = nn.Parameter(torch.full_like(linear.bias, number + half).detach())
        assert agree(cached, model)


def test_under_vmap():
    model = hd.HyperDNN.for_vectors(nn.Linear(2, 2), 3).eval()
    cached, rows = hd.Cached(model), torch.randn(4, 3)
    with torch.no_grad():
        mapped = torch.vmap(cached.generate)(rows)
        torch.testing.assert_close(mapped, model.generate(rows))


def test_an_encoder_that_adds_context_dimensions():
    target = hd.Target(nn.Linear(3, 2))
    encoder = hd.encoders.Cells(3, 4, widths=(4, 4))
    head = hd.heads.FullHead(6, target.layout)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=hd.bodies.MLP(4, 6), head=head)).eval()
    cached, images = hd.Cached(model), torch.randn(2, 3, 8, 12)
    with torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(cached.generate(images[1]), model.generate(images[1]))
            torch.testing.assert_close(cached.generate(images), model.generate(images))
    assert cached.memory.generated == 2


def test_threads():
    model = build(20)
    cached, wrong = hd.Cached(model, max_contexts=3), []

    def work(seed):
        generator = torch.Generator().manual_seed(seed)
        for _ in range(30):
            try:
                if not agree(cached, model, torch.randint(20, (2,), generator=generator)):
                    wrong.append("other weights")
            except Exception as error:
                wrong.append(repr(error))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
