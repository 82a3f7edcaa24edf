"""With tensors large enough to be handed out again."""

import copy
import gc
import pickle
import threading

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hyperdnn.heads._generate import generate
from hyperdnn.heads._reuse import Reuse
from hyperdnn.layout import ParamLayout, ParamSpec

HIDDEN = 3
KEEP = {
    "tensor": lambda g: g,
    "slice": lambda g: g[5:7],
    "bits": lambda g: g.view(torch.int32),
    "data": lambda g: g.data,
    "detached": lambda g: g.detach(),
    "numpy": lambda g: g.numpy(),
    "numpy slice": lambda g: torch.from_numpy(g.numpy()[3:]),
    "dlpack": lambda g: torch.from_dlpack(g),
    "capsule": lambda g: g.__dlpack__(),
    "storage": lambda g: g.untyped_storage(),
}


class Following(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


def read(kept):
    if isinstance(kept, torch.UntypedStorage):
        return torch.empty(0).set_(kept)
    if type(kept).__name__ == "PyCapsule":
        return torch.utils.dlpack.from_dlpack(kept)
    tensor = torch.as_tensor(kept)
    return tensor.view(torch.float32)


def build():
    layout = ParamLayout((ParamSpec(name="w", shape=(600, 500)),))
    return nn.Linear(HIDDEN, layout.numel), layout, Reuse()


def step(linear, layout, reuse, factor):
    features = torch.full((2, HIDDEN), float(factor))
    generate(features, linear, layout, reuse=reuse)["w"].sum().backward()


def test_memory_is_used_again_once_the_gradient_is_gone():
    linear, layout, reuse = build()
    step(linear, layout, reuse, 1)
    first = linear.weight.grad.data_ptr()
    linear.zero_grad()
    step(linear, layout, reuse, 2)
    assert linear.weight.grad.data_ptr() == first
    assert linear.weight.grad.unique().tolist() == [4]


@pytest.mark.parametrize("keep", KEEP.values(), ids=KEEP)
def test_a_gradient_that_somebody_keeps_is_never_overwritten(keep):
    linear, layout, reuse = build()
    step(linear, layout, reuse, 1)
    kept = keep(linear.weight.grad)
    linear.zero_grad()
    step(linear, layout, reuse, 5)
    gc.collect()
    assert (read(kept) == 2).all()
    assert (linear.weight.grad == 10).all()


def test_gradients_accumulate():
    linear, layout, reuse = build()
    for factor in (1, 2, 4):
        step(linear, layout, reuse, factor)
    assert (linear.weight.grad == 14).all()


def test_two_backwards_of_one_graph():
    linear, layout, reuse = build()
    loss = generate(torch.ones(2, HIDDEN), linear, layout, reuse=reuse)["w"].sum()
    first = torch.autograd.grad(loss, linear.weight, retain_graph=True)[0]
    second = torch.autograd.grad(3 * loss, linear.weight)[0]
    assert (first == 2).all()
    assert (second == 6).all()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_hold_nothing(again):
    linear, layout, reuse = build()
    step(linear, layout, reuse, 1)
    assert reuse._held
    assert not again(reuse)._held


def test_type_and_shape_may_change():
    reuse, like = Reuse(), torch.empty(0)
    first = reuse.empty("a", (600, 500), like).data_ptr()
    assert reuse.empty("a", (500, 600), like).data_ptr() == first
    assert reuse.empty("a", (600, 501), like).shape == (600, 501)
    assert reuse.empty("a", (600, 500), like.double()).dtype == torch.float64


def test_memory_that_another_process_reads_is_not_used_again():
    linear, layout, reuse = build()
    step(linear, layout, reuse, 1)
    first = linear.weight.grad.share_memory_().data_ptr()
    linear.zero_grad()
    step(linear, layout, reuse, 2)
    assert linear.weight.grad.data_ptr() != first


def test_memory_that_somebody_emptied_is_not_used_again():
    linear, layout, reuse = build()
    step(linear, layout, reuse, 1)
    linear.weight.grad.untyped_storage().resize_(0)
    linear.zero_grad()
    step(linear, layout, reuse, 2)
    assert (linear.weight.grad == 4).all()


def test_a_backward_in_inference_mode_leaves_nothing_that_cannot_be_written():
    linear, layout, reuse = build()
    loss = generate(torch.ones(2, HIDDEN), linear, layout, reuse=reuse)["w"].sum()
    with torch.inference_mode():
        loss.backward()
    linear.zero_grad()
    step(linear, layout, reuse, 5)
    assert (linear.weight.grad == 10).all()


def test_who_follows_every_operation_may_keep_what_they_saw():
    reuse = Reuse()
    with Following():
        reuse.empty("a", (600, 500), torch.empty(0))
    assert not reuse._held


def test_threads_do_not_share():
    linear, layout, reuse = build()
    wrong = []

    def work(number):
        for i in range(6):
            factor = float(10 * number + i)
            loss = generate(torch.full((2, HIDDEN), factor), linear, layout, reuse=reuse)["w"].sum()
            (gradient,) = torch.autograd.grad(loss, linear.weight)
            if not (gradient == 2 * factor).all():
                wrong.append(factor)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
