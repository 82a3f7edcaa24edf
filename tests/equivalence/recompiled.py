"""Compile one model once and use it in many ways, or export it, and print what went wrong, as JSON: name -> message.

Run as a script, outside of pytest: the wrappers that check shapes at run time are not for the compiler to trace.

    python recompiled.py fast|slow
"""

import copy
import functools
import json
import sys
import warnings

import torch
from compiled import MANY, MODELS, ONE  # a script finds its neighbours
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch.export import Dim, export

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, targets
from hyperdnn._torch import tree_leaves

SIZES = (1, 2, 7, 8)


def plain():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def made(head, **options):
    """A model around a net without layer norm, which torch maps for one number of contexts only."""
    target = hd.Target(plain(), **options)
    generating = head(target.layout)
    slots = None if generating.slots is None else encoders.Slots(generating.slots, 3)
    body = bodies.MLP(7 if slots else 4, 6)
    hypernet = hd.Hypernet(encoder=encoders.Table(3, 4), slots=slots, body=body, head=generating)
    return hd.HyperDNN(target, hypernet)


HEADS = {
    "full": lambda: made(lambda layout: heads.FullHead(6, layout)),
    "multi": lambda: made(lambda layout: heads.MultiHead(6, layout)),
    "chunked": lambda: made(lambda layout: heads.ChunkedHead(6, layout, 5)),
    "rows": lambda: made(lambda layout: heads.ComponentHead(6, layout, component="row")),
    "factored": lambda: made(lambda layout: heads.FactoredHead(6, layout, 2)),
    "last layer": lambda: made(lambda layout: heads.FullHead(6, layout), select="2.*"),
    "residual": lambda: made(lambda layout: heads.FullHead(6, layout), combine=targets.Residual()),
}


def compiled(call, **options):
    torch._dynamo.reset()
    counter = CompileCounter()
    return torch.compile(call, backend=counter, fullgraph=True, **options), counter


def step(call, model, x, **options):
    """Output and gradients, zero where there are none: eager leaves out the rows of a table that were not asked for."""
    model.zero_grad()
    output = call(x, **options)
    if torch.is_grad_enabled():
        sum(y.square().sum() for y in tree_leaves(output) if isinstance(y, torch.Tensor)).backward()
    return output, [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]


def any_size(make, verb):
    """One program for a single context or sample, as torch wants it, and one for every other number."""
    model = make()
    eager = copy.deepcopy(model)
    fast, counter = compiled(getattr(model, verb), dynamic=True)
    for size in SIZES:
        context = torch.arange(size) % 3
        x = torch.randn(size, 5, 3) if verb == "forward" else torch.randn(size, 3)
        expected = step(getattr(eager, verb), eager, x, context=context)
        torch.testing.assert_close(step(fast, model, x, context=context), expected)
    assert counter.frame_count <= 2, f"{counter.frame_count} programs for the sizes {SIZES}"


def any_batch(make):
    model = make()
    fast, counter = compiled(model, dynamic=True)
    for size in SIZES:
        x, context = torch.randn(size, 3), torch.tensor(size % 3)
        torch.testing.assert_close(fast(x, context=context), model(x, context=context))
    assert counter.frame_count <= 2, f"{counter.frame_count} programs for the sizes {SIZES}"


def one_and_many(name, order):
    make, data = MODELS[name]
    model = make()
    eager = copy.deepcopy(model)
    fast, _ = compiled(model)
    for context in order:
        x = data(context.shape)
        torch.testing.assert_close(
            step(fast, model, x, context=context), step(eager, eager, x, context=context), rtol=1e-5, atol=1e-6
        )


def steps_and_modes(make):
    """A program for training, one more without gradients; no step and no change of mode needs another."""
    model = make()
    fast, counter = compiled(model)
    x, programs = torch.randn(3, 5, 3), []
    for training, grad in ((True, True), (True, True), (True, False), (False, True), (False, False), (True, True)):
        model.train(training)
        with torch.set_grad_enabled(grad):
            step(fast, model, x, context=MANY)
        programs.append(counter.frame_count)
    assert programs == [1, 1, 2, 2, 2, 2], f"programs after each step: {programs}"


def baked():
    model = HEADS["full"]()
    net = model.bake(ONE)
    fast, counter = compiled(net, dynamic=True)
    for size in SIZES:
        x = torch.randn(size, 3)
        torch.testing.assert_close(fast(x), model(x, context=ONE))
    assert counter.frame_count <= 2


def grouped():
    """How large the groups are is known from data only: torch runs it in pieces."""
    model = HEADS["full"]()
    torch._dynamo.reset()
    fast = torch.compile(model.grouped, backend="eager")
    warnings.simplefilter("ignore")  # torch's own, where a piece begins with weights that require a gradient
    for index in (torch.tensor([0, 2, 0, 0, 2]), torch.tensor([1, 1, 0, 2, 2])):
        x = torch.randn(5, 3)
        results = [step(call, model, x, context=MANY, index=index) for call in (fast, model.grouped)]
        torch.testing.assert_close(*results)
    torch._dynamo.reset()
    try:
        torch.compile(model.grouped, backend="eager", fullgraph=True)(x, context=MANY, index=index)
    except torch._dynamo.exc.TorchDynamoException:
        return
    raise AssertionError("grouped compiles as one graph now: say so in docs/howto/compile.md")


def exported(make, many):
    model = make().eval()
    context, x = (MANY, torch.randn(3, 4, 3)) if many else (ONE, torch.randn(4, 3))
    dynamic = dict.fromkeys(range(x.ndim - 1), Dim.DYNAMIC)
    shapes = {"args": (dynamic,), "context": {0: Dim.DYNAMIC} if many else None}
    program = export(model, (x,), {"context": context}, dynamic_shapes=shapes).module()
    for size in (2, 5, 8):
        for first in range(3):
            context = (torch.arange(size) + first) % 3 if many else torch.tensor(first)
            x = torch.randn(size, 6, 3) if many else torch.randn(size, 3)
            torch.testing.assert_close(program(x, context=context), model(x, context=context))


FAST = {
    "any number of contexts": functools.partial(any_size, HEADS["full"], "forward"),
    "paired, any number of contexts": functools.partial(any_size, HEADS["chunked"], "paired"),
    "any batch": functools.partial(any_batch, HEADS["full"]),
    "steps and modes": functools.partial(steps_and_modes, HEADS["full"]),
    "many then one": functools.partial(one_and_many, "mlp", (MANY, ONE, MANY)),
    "baked": baked,
    "grouped": grouped,
    "exported with one context": functools.partial(exported, HEADS["full"], False),
    "exported with many contexts": functools.partial(exported, HEADS["full"], True),
}
SLOW = {}
for _name, _make in HEADS.items():
    SLOW[f"{_name}, any number of contexts"] = functools.partial(any_size, _make, "forward")
    SLOW[f"{_name}, paired, any number of contexts"] = functools.partial(any_size, _make, "paired")
    SLOW[f"{_name}, steps and modes"] = functools.partial(steps_and_modes, _make)
    SLOW[f"{_name}, exported with one context"] = functools.partial(exported, _make, False)
    SLOW[f"{_name}, exported with many contexts"] = functools.partial(exported, _make, True)
for _name in MODELS:
    SLOW[f"{_name}, many then one"] = functools.partial(one_and_many, _name, (MANY, ONE, MANY))
    SLOW[f"{_name}, one then many"] = functools.partial(one_and_many, _name, (ONE, MANY, ONE))


def complaint(check):
    torch.manual_seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            check()
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:600]}"
    return None


if __name__ == "__main__":
    torch.set_num_threads(1)
    chosen = FAST if sys.argv[1] == "fast" else SLOW
    print(json.dumps({name: complaint(check) for name, check in chosen.items()}))
